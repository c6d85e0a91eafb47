//! The same over HTTP: by whom it may be asked, and by how many binds.

use reqwest::{Method, Url};
use serde_json::Value;

use crate::support::http::{Answered, Served, TOKEN};
use crate::support::simulated::Simulated;

const WHY: &str = "/api/v1/connections/active-directory/why";

/// A service whose connection waits.
async fn served(lab: &mut Simulated) -> Served {
    for (name, value) in [
        ("SYNC_CRON", "59 59 23 31 12 *"),
        ("BASELINE_CRON", "off"),
        ("SYNC_ON_START", "false"),
        ("HTTP_LISTEN", "127.0.0.1:0"),
        ("HTTP_TOKEN", TOKEN),
    ] {
        lab.set(name, value);
    }
    Served::start(&lab.connector).await
}

/// The path that asks for an object.
fn path(name: &str) -> String {
    let url = Url::parse_with_params(&format!("http://localhost{WHY}"), [("object", name)]).unwrap();
    format!("{WHY}?{}", url.query().unwrap())
}

async fn ask(served: &Served, name: &str) -> Answered {
    let request = served.request(Method::GET, &path(name));
    served.send(request.bearer_auth(TOKEN)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_service_answers_as_the_command_does_to_who_has_the_token() {
    let mut lab = Simulated::new().await;
    lab.sync(0).await;
    let served = served(&mut lab).await;
    let id = lab.external_id(lab.users()[7]);
    let by_command = lab.connector.succeed(&["why", &id, "--json"]).await.stdout;
    let by_service = ask(&served, &id).await.with(200).json();
    assert_eq!(by_service, serde_json::from_str::<Value>(&by_command).unwrap());
    assert_eq!(by_service["verdict"], "in_etm");
    served.get(&path(&id)).await.with(401);
    ask(&served, "").await.with(422);
    ask(&served, &"x".repeat(1025)).await.with(422);
    served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r40_the_service_does_not_bind_with_a_password_that_was_refused() {
    let mut lab = Simulated::new().await;
    lab.sync(0).await;
    lab.set("AD_PASSWORD", "wrong");
    let served = served(&mut lab).await;
    lab.simulator.statistics().reset();
    let id = lab.external_id(lab.users()[7]);
    for word in ["password is wrong", "put off until", "put off until"] {
        let answer = ask(&served, &id).await.with(200).json();
        assert_eq!(answer["verdict"], "unverified", "{answer}");
        assert!(answer["sentence"].as_str().unwrap().contains(word), "{answer}");
    }
    assert_eq!(lab.simulator.statistics().counts().binds, 1);
    let answer = ask(&served, "Nobody").await.with(200).json();
    assert_eq!(answer["verdict"], "unknown", "{answer}");
    assert_eq!(lab.simulator.statistics().counts().binds, 1);
    served.service.stopped_with(0).await;
}
