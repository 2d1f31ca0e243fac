# A GSM modem that is none: a pseudo terminal that answers the AT commands that smsd sends. Arguments: folder.
# The name of its terminal goes to the file `tty`; each PDU that it is given is a line of the file `pdus`. A file `receive`
# (sender, tab, text) is handed out as a received message.
import os, re, sys, termios, tty

folder = sys.argv[1]
master, slave = os.openpty()
tty.setraw(slave)
with open(os.path.join(folder, "tty.new"), "w") as file:
    file.write(os.ttyname(slave))
os.rename(os.path.join(folder, "tty.new"), os.path.join(folder, "tty"))


def deliver(sender, text):
    """SMS-DELIVER in UCS-2 (3GPP TS 23.040, 9.2.2.1)."""
    digits = sender + "F" * (len(sender) % 2)
    swapped = "".join(digits[i + 1] + digits[i] for i in range(0, len(digits), 2))
    data = text.encode("utf-16-be")
    return "00" + "04" + f"{len(sender):02X}" + "91" + swapped + "0008" + "62112211040032" + f"{len(data):02X}" + data.hex().upper()


def answer(command):
    if command.startswith("AT+CSQ"):
        return "+CSQ: 20,99\r\n\r\nOK"
    if command.startswith("AT+CREG?"):
        return "+CREG: 0,1\r\n\r\nOK"
    if command.startswith("AT+CPIN?"):
        return "+CPIN: READY\r\n\r\nOK"
    if command.startswith("AT+CPMS?"):
        return '+CPMS: "SM",1,10,"SM",1,10,"SM",1,10\r\n\r\nOK'
    if command.startswith("AT+CPMS="):
        return '+CPMS: 1,10,1,10,1,10\r\n\r\nOK'
    if command.startswith("AT+CMGL") or command.startswith("AT+CMGR"):
        path = os.path.join(folder, "receive")
        if not os.path.exists(path):
            return "OK"
        sender, text = open(path, encoding="utf-8").read().rstrip("\n").split("\t")
        pdu = deliver(sender, text)
        head = "+CMGL: 1,0,," if command.startswith("AT+CMGL") else "+CMGR: 0,,"
        return f"{head}{len(pdu) // 2 - 1}\r\n{pdu}\r\n\r\nOK"
    if command.startswith("AT+CMGD"):
        path = os.path.join(folder, "receive")
        if os.path.exists(path):
            os.remove(path)
    return "OK"


def say(text):
    os.write(master, f"\r\n{text}\r\n".encode())


buffer, pdu = b"", False
while True:
    buffer += os.read(master, 4096)
    while True:
        end = re.search(rb"\x1a" if pdu else rb"\r", buffer)
        if not end:
            break
        line, buffer = buffer[:end.start()].strip().decode("ascii", "replace"), buffer[end.end():]
        if pdu:
            with open(os.path.join(folder, "pdus"), "a") as file:
                file.write(line + "\n")
            pdu = False
            say("+CMGS: 5\r\n\r\nOK")
        elif line.startswith("AT+CMGS="):
            pdu = True
            os.write(master, b"\r\n> ")
        elif line:
            say(answer(line))
