//! The chain of audit lines: whatever is done to it past the ledger shows.

use crate::world::{World, line};
use tocsin_ledger::Chain;

on_both_engines! {
    lines_written_at_once_make_one_chain,
    a_changed_line_shows,
    a_removed_line_shows,
    a_cut_tail_shows,
}

async fn three_lines(world: &World) {
    for (second, action) in (1..).zip(["a", "b", "c"]) {
        world.ledger.audit(line(action, second)).await.unwrap();
    }
    assert_eq!(world.ledger.verify_audit().await.unwrap(), Chain::Whole { lines: 3 });
}

async fn lines_written_at_once_make_one_chain(world: World) {
    let writers: Vec<_> = (0..20)
        .map(|second| {
            let ledger = world.ledger.clone();
            tokio::spawn(async move { ledger.audit(line("session.begin", second)).await.unwrap() })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(world.ledger.verify_audit().await.unwrap(), Chain::Whole { lines: 20 });
}

async fn a_changed_line_shows(world: World) {
    three_lines(&world).await;
    world
        .tamper("UPDATE audit SET actor = 'somebody else' WHERE seq = 2")
        .await;
    assert_eq!(world.ledger.verify_audit().await.unwrap(), Chain::Broken { at: 2 });
}

async fn a_removed_line_shows(world: World) {
    three_lines(&world).await;
    world.tamper("DELETE FROM audit WHERE seq = 1").await;
    assert_eq!(world.ledger.verify_audit().await.unwrap(), Chain::Broken { at: 1 });
}

async fn a_cut_tail_shows(world: World) {
    three_lines(&world).await;
    world.tamper("DELETE FROM audit WHERE seq = 3").await;
    assert_eq!(world.ledger.verify_audit().await.unwrap(), Chain::Broken { at: 3 });
}
