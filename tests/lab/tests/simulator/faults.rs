//! Every kind of misbehaviour does what it says.

use std::time::{Duration, Instant};

use super::client::{Ask, Client};
use super::{PEOPLE, with_people};
use lab::simulator::{Action, On, Outcome, Twist};

fn first_page() -> Ask<'static> {
    Ask {
        filter: PEOPLE,
        page: Some((50, Vec::new())),
        ..Ask::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_cut_between_pages_or_within_one() {
    let simulator = with_people(200);
    let faults = simulator.faults();
    faults.at(On::Search, 2, Action::Cut);
    let mut client = Client::reader(simulator.addr());
    let cookie = client.search(&first_page()).cookie.unwrap();
    assert!(
        client
            .try_search(&Ask {
                page: Some((50, cookie)),
                ..first_page()
            })
            .is_none()
    );

    faults.at(On::Search, 1, Action::CutAfterEntries(7));
    let mut client = Client::reader(simulator.addr());
    client.start_search(&first_page());
    assert_eq!(std::iter::from_fn(|| client.receive()).count(), 7);

    faults.at(On::Search, 1, Action::CutAfterBytes(100));
    let mut client = Client::reader(simulator.addr());
    client.start_search(&first_page());
    let whole: usize = std::iter::from_fn(|| client.frame())
        .map(|frame| frame.len())
        .sum();
    assert_eq!(whole + client.rest().len(), 100);
    assert!(faults.all_happened());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_is_given_in_place_of_an_answer_or_after_some_entries() {
    let simulator = with_people(200);
    let mut client = Client::reader(simulator.addr());
    for code in [3, 4, 11, 51, 52, 80] {
        simulator
            .faults()
            .at(On::Search, 1, Action::Answer(Outcome::error(code, "as scripted")));
        let found = client.search(&first_page());
        assert_eq!(
            (found.code, found.entries.len(), found.message.as_str()),
            (code, 0, "as scripted")
        );
    }
    simulator.faults().at(
        On::Search,
        1,
        Action::AnswerAfterEntries(9, Outcome::error(51, "busy")),
    );
    let found = client.search(&first_page());
    assert_eq!((found.code, found.entries.len()), (51, 9));
    assert_eq!(client.search(&first_page()).entries.len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_never_end_or_repeat() {
    let simulator = with_people(100);
    let mut client = Client::reader(simulator.addr());
    let mut pages = |action, count: usize| {
        simulator.faults().clear();
        simulator.faults().from(On::Search, 1, action);
        let mut cookie = Vec::new();
        let mut page = |cookie: &mut Vec<u8>| {
            let found = client.search(&Ask {
                page: Some((50, std::mem::take(cookie))),
                ..first_page()
            });
            found.cookie.unwrap().clone_into(cookie);
            (found.entries, cookie.clone())
        };
        std::iter::repeat_with(|| page(&mut cookie))
            .take(count)
            .collect::<Vec<_>>()
    };
    let endless = pages(Action::EndlessPages, 6);
    assert!(
        endless
            .iter()
            .all(|(entries, cookie)| !entries.is_empty() && !cookie.is_empty())
    );
    assert_ne!(endless[0].1, endless[1].1);
    let empty = pages(Action::EmptyPages, 4);
    assert!(
        empty
            .iter()
            .all(|(entries, cookie)| entries.is_empty() && !cookie.is_empty())
    );
    let repeated = pages(Action::RepeatCookie, 4);
    assert!(repeated.iter().all(|page| *page == repeated[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_twisted() {
    let simulator = with_people(20);
    let mut client = Client::reader(simulator.addr());
    let attributes = ["objectGUID", "name"];
    let mut twisted = |twist| {
        simulator.faults().at(On::Search, 1, Action::Twist(twist));
        let found = client.search(&Ask {
            page: Some((1, Vec::new())),
            attributes: &attributes,
            ..first_page()
        });
        found.entries.into_iter().next().unwrap().attributes
    };
    assert_eq!(twisted(Twist::Oversized(3_000_000))["info"][0].len(), 3_000_000);
    assert_eq!(twisted(Twist::ManyValues(100_000))["info"].len(), 100_000);
    assert_eq!(twisted(Twist::WrongTypes)["objectGUID"][0].len(), 3);
    assert!(String::from_utf8(twisted(Twist::NotText)["name"][0].clone()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_frames_and_notices_are_sent() {
    let simulator = with_people(20);
    simulator.faults().at(On::Search, 1, Action::TruncatedBer);
    let mut client = Client::reader(simulator.addr());
    client.start_search(&first_page());
    let frame = client.frame().unwrap();
    let mut message = lab::simulator::ber::Reader::new(&frame[6..]);
    assert!(message.element().is_ok() && message.element().is_err());

    simulator.faults().at(On::Search, 1, Action::Notice(52));
    let mut client = Client::reader(simulator.addr());
    client.start_search(&first_page());
    let (tag, contents, _) = client.receive().unwrap();
    assert!(
        tag == 0x78
            && contents
                .windows(22)
                .any(|window| window == b"1.3.6.1.4.1.1466.20036")
    );
    assert!(client.receive().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_late_and_a_standing_connection_is_cut() {
    let simulator = with_people(20);
    simulator
        .faults()
        .at(On::Search, 1, Action::Delay(Duration::from_millis(150)));
    let mut client = Client::reader(simulator.addr());
    let start = Instant::now();
    assert_eq!(client.search(&first_page()).code, 0);
    assert!(start.elapsed() >= Duration::from_millis(150));

    simulator.faults().at(On::Search, 1, Action::Silence);
    client.start_search(&first_page());
    simulator.faults().happened().await;
    simulator.cut_connections();
    assert!(client.receive().is_none());
    assert_eq!(Client::reader(simulator.addr()).search(&first_page()).code, 0);
}
