# A message centre over the SMPP server of the package smpp34. Arguments: port, folder.
# It refuses the first part that it is given as throttled, takes all others, and sends a receipt for each, whose id is
# decimal where its answer was hexadecimal, twice. What it is given goes to standard output as JSON, a line each. A file
# `say` in the folder (sender, tab, text) is sent as a text to whoever is bound; a file `hang-up` ends all sessions.
import asyncio, json, os, sys
import smpp34

port, folder = int(sys.argv[1]), sys.argv[2]
sessions = {}
taken = 0


def tell(**what):
    print(json.dumps(what), flush=True)


async def receipt(session, event, number):
    text = f"id:{number} sub:001 dlvrd:001 submit date:2611221104 done date:2611221105 stat:DELIVRD err:000 text:"
    for _ in range(2):
        await session.deliver_sm(source_addr=event.destination_addr, destination_addr=event.source_addr,
                                 esm_class=0x04, short_message=text.encode())


async def orders():
    while True:
        await asyncio.sleep(0.2)
        say, hang_up = os.path.join(folder, "say"), os.path.join(folder, "hang-up")
        if os.path.exists(say):
            sender, text = open(say, encoding="utf-8").read().rstrip("\n").split("\t")
            os.remove(say)
            for session in list(sessions.values()):
                await session.deliver_sm(source_addr=sender, destination_addr="10690", data_coding=8,
                                         short_message=text.encode("utf-16-be"))
        if os.path.exists(hang_up):
            os.remove(hang_up)
            for session in list(sessions.values()):
                await session.unbind()


async def main():
    global taken
    server = smpp34.Server(host="127.0.0.1", port=port, system_id="centre")
    await server.start()
    print("listening", flush=True)
    asyncio.create_task(orders())
    throttled = False
    while True:
        event = await server.next()
        if isinstance(event, smpp34.Esme):
            sessions[event.session_id] = event
            tell(bound=event.system_id)
        elif isinstance(event, smpp34.SubmitSmEvent):
            refused = not throttled
            throttled = True
            tell(to=event.destination_addr, coding=event.data_coding, header=event.esm_class & 0x40 != 0,
                 report=event.registered_delivery, hex=event.short_message.hex(), refused=refused)
            if refused:
                event.reject(smpp34.ESME_RTHROTTLED)
                continue
            taken += 1
            number = 0xA0 + taken
            event.accept(message_id=f"{number:x}")
            asyncio.create_task(receipt(sessions[event.session_id], event, number))
        elif isinstance(event, smpp34.Unbound):
            sessions.pop(event.session_id, None)
            tell(unbound=True)


asyncio.run(main())
