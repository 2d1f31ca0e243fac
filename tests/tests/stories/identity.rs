//! Who may stream: the certificate decides, and nothing that is said.

use tocsin_proto::v1::{HostFacts, agent_message::Body};
use tocsin_tests::{
    host::Host,
    patience::until,
    site::{Plan, Site},
    wire::{self, Talk},
};

fn enrolled(site: &Site, name: &str) -> Host {
    let host = Host::prepare(site, name, "");
    host.enrol(&site.install_string()).expect("a fresh token enrols");
    host
}

#[tokio::test]
async fn a_collector_of_another_site_is_not_trusted_by_an_agent() {
    let (home, elsewhere) = (Site::start("").await, Site::start("").await);
    let mut host = Host::prepare(
        &home,
        "host",
        &format!("collectors = [\"{}\"]\n", elsewhere.address("agents")),
    );
    host.enrol(&home.install_string()).expect("enrols at home");
    host.run();
    let problem = host
        .says("why it is not connected", |status| {
            Some(status["link"]["problem"].as_str()?.to_owned())
        })
        .await;
    assert!(problem.contains("is not a collector of this site"), "{problem}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_does_not_pass_the_handshake() {
    let (home, elsewhere) = (Site::start("").await, Site::start("").await);
    let (friend, stranger) = (enrolled(&home, "friend"), enrolled(&elsewhere, "stranger"));
    let (friend, stranger) = (wire::identity(&friend), wire::identity(&stranger));
    // The stranger trusts the right authority, so nothing but its own certificate is wrong.
    let refused = match wire::connect(&home, &friend, &stranger).await {
        Ok(channel) => Talk::open(channel).await.err().map(|status| status.code()),
        Err(_) => Some(tonic::Code::Unavailable),
    };
    assert!(
        matches!(
            refused,
            Some(tonic::Code::Unavailable | tonic::Code::Unknown | tonic::Code::Internal)
        ),
        "{refused:?}"
    );
    assert_eq!(
        home.get("hosts").await["items"].as_array().map(Vec::len),
        Some(1),
        "only the friend is known"
    );
}

#[tokio::test]
async fn a_host_that_is_not_in_the_register_is_told_to_enrol_again() {
    let before = Site::start("").await;
    let mut host = enrolled(&before, "host");
    let authority = std::fs::read(before.state("pki/agents.pem")).expect("the authority");
    let site = Site::start_as(Plan {
        agents_authority: Some(authority),
        ..Plan::default()
    })
    .await;
    host.configure(&format!(
        "interval = \"1s\"\ncollectors = [\"{}\"]\n",
        site.address("agents")
    ));
    host.run();
    let problem = host
        .says("why it is refused", |status| {
            Some(status["link"]["problem"].as_str()?.to_owned())
        })
        .await;
    assert!(
        problem.contains("not in the register") && problem.contains("enrol"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_host_that_says_it_is_another_changes_only_its_own_facts() {
    let site = Site::start("").await;
    let victim = Host::start(&site, "victim", "");
    let before = victim.is_live(&site).await;
    let liar = enrolled(&site, "liar");
    let mut talk = Talk::of(&site, &liar).await;
    let hostname = before["facts"]["hostname"].as_str().unwrap_or_default().to_owned();
    let facts = HostFacts {
        hostname: hostname.clone(),
        kernel: "a lie".to_owned(),
        ..HostFacts::default()
    };
    talk.say(Body::Facts(facts)).await;
    until("the lie to be on the liar's record", async || {
        let record = site.get(&format!("hosts/{}", liar.id())).await;
        (record["facts"]["kernel"] == "a lie" && record["facts"]["hostname"] == hostname.as_str()).then_some(())
    })
    .await;
    let after = site.get(&format!("hosts/{}", victim.id())).await;
    assert_eq!(after["facts"], before["facts"]);
}

#[tokio::test]
async fn a_copied_key_is_noticed_when_both_holders_renew() {
    let site = Site::start("").await;
    let host = enrolled(&site, "host");
    let own = wire::identity(&host);
    let copy = wire::renew(&site, &own)
        .await
        .expect("whoever renews first gets a certificate");
    assert_eq!(copy.generation, own.generation + 1);
    let channel = wire::connect(&site, &copy, &copy).await.expect("and may use it");
    let mut talk = Talk::open(channel).await.expect("a stream");
    talk.hear().await.expect("a welcome");

    let refusal = wire::renew(&site, &own).await.expect_err("the other holder is behind");
    assert_eq!(refusal.code(), tonic::Code::PermissionDenied);
    assert!(refusal.message().contains("used elsewhere"), "{}", refusal.message());
    assert_eq!(site.get(&format!("hosts/{}", host.id())).await["state"], "revoked");
    talk.is_refused().await;
    for holder in [&own, &copy] {
        let channel = wire::connect(&site, holder, holder)
            .await
            .expect("the handshake still passes");
        let refusal = Talk::open(channel).await.err().expect("but the host is shut out");
        assert!(refusal.message().contains("shut out"), "{}", refusal.message());
    }
}

#[tokio::test]
async fn a_renewal_whose_answer_was_lost_may_be_asked_again() {
    let site = Site::start("").await;
    let host = enrolled(&site, "host");
    let own = wire::identity(&host);
    // Certificates end at whole seconds, and which is the newer is told by their ends.
    let second = wire::now().as_millis() / 1_000;
    until("the next second", async || {
        (wire::now().as_millis() / 1_000 > second).then_some(())
    })
    .await;
    let _ = wire::renew(&site, &own).await.expect("an answer that nobody uses");
    let again = wire::renew(&site, &own).await.expect("the same certificate asks again");
    assert_eq!(again.generation, own.generation + 1);
    assert_eq!(site.get(&format!("hosts/{}", host.id())).await["state"], "never");
}
