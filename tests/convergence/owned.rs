//! Histories that are not drawn: ids that change their owners (R37) and assets that the gateway
//! refuses (R32), one case each, at its smallest.

use lab::simulator::On;

use super::directed::{assert_converges, setting};
use super::history::{
    Change, DirectoryFault, Event, Identity, Mode, Ownership, Profiles, Refusal, Refused, Run, Second,
    Setting, Step, Trouble,
};

const UNIT_CORP: u8 = 0;
const UNIT_OUTSIDE: u8 = 3;
const FIRST: Profiles = Profiles::First;
const SECOND: Profiles = Profiles::Second;

fn owned(profiles: usize, second: Second, identity: Identity) -> Setting {
    Setting {
        controllers: 1,
        objects: 2,
        ownership: Some(Ownership {
            profiles,
            second,
            identity,
        }),
        ..setting()
    }
}

fn change(change: Change) -> Step {
    Step::Event(Event::Change(0, change))
}

fn run(profiles: Profiles) -> Step {
    Step::Run(Run {
        profiles,
        ..Run::of(Mode::Delta)
    })
}

/// Plays the steps with removals reported and sent, and the account seeing deleted objects or not.
#[track_caller]
fn assert_all_converge(setting: &Setting, steps: &[Step]) {
    for tells_removals in [false, true] {
        for sees_deleted in [false, true] {
            let setting = Setting {
                tells_removals,
                sees_deleted,
                ..setting.clone()
            };
            assert_converges(setting, steps.to_vec());
        }
    }
}

#[test]
fn r37_an_object_that_moves_between_two_profiles_is_not_removed() {
    for second in [Second::Outside, Second::Domain, Second::Described] {
        for (one, other) in [(FIRST, SECOND), (SECOND, FIRST)] {
            let steps = [
                run(FIRST),
                run(SECOND),
                change(Change::Move(0, UNIT_OUTSIDE)),
                run(one),
                run(other),
                change(Change::Move(0, UNIT_CORP)),
                run(one),
                run(other),
            ];
            assert_all_converge(&owned(2, second, Identity::Sid), &steps);
        }
    }
}

#[test]
fn r37_an_id_that_an_object_of_another_profile_claims_is_not_removed() {
    for (one, other) in [(FIRST, SECOND), (SECOND, FIRST)] {
        let steps = [
            run(FIRST),
            run(SECOND),
            change(Change::Succeed(0, UNIT_OUTSIDE)),
            run(SECOND),
            change(Change::Delete(0)),
            run(one),
            run(other),
        ];
        assert_all_converge(&owned(2, Second::Outside, Identity::Mail), &steps);
    }
}

#[test]
fn r37_the_asset_of_an_id_that_changed_is_removed() {
    for identity in [Identity::Mail, Identity::Account] {
        let steps = [
            run(FIRST),
            change(Change::NewId(0)),
            run(FIRST),
            change(Change::NewId(0)),
            change(Change::Delete(1)),
            run(FIRST),
        ];
        assert_all_converge(&owned(1, Second::Outside, identity), &steps);
    }
}

#[test]
fn r37_ids_that_are_exchanged_are_sent_with_their_new_owners() {
    let steps = [run(FIRST), change(Change::SwapIds(0, 1)), run(FIRST)];
    assert_all_converge(&owned(1, Second::Outside, Identity::Mail), &steps);
}

#[test]
fn r37_the_second_claim_waits_until_the_first_one_is_gone() {
    let gone = [
        Change::Delete(0),
        Change::NewId(0),
        Change::Hide(0),
        Change::Move(0, UNIT_OUTSIDE),
    ];
    for gone in gone {
        let steps = [
            run(FIRST),
            change(Change::TakeId(1, 0)),
            run(FIRST),
            run(FIRST),
            change(gone),
            run(FIRST),
        ];
        let setting = Setting {
            narrow: true,
            ..owned(1, Second::Outside, Identity::Mail)
        };
        assert_all_converge(&setting, &steps);
    }
}

#[test]
fn r37_an_object_created_with_the_id_of_a_deleted_one_owns_it() {
    for runs in [0, 1] {
        let mut steps = vec![run(FIRST), change(Change::Delete(0))];
        steps.extend((0..runs).map(|_| run(FIRST)));
        steps.extend([
            change(Change::Succeed(0, UNIT_CORP)),
            run(FIRST),
            change(Change::Restore(0)),
            run(FIRST),
        ]);
        assert_all_converge(&owned(1, Second::Outside, Identity::Mail), &steps);
    }
}

#[test]
fn r37_what_both_profiles_read_is_sent_once() {
    for profiles in [SECOND, Profiles::Both] {
        let steps = [
            run(FIRST),
            run(profiles),
            change(Change::Describe(0)),
            run(profiles),
            run(FIRST),
        ];
        assert_all_converge(&owned(2, Second::Domain, Identity::Sid), &steps);
    }
}

#[test]
fn r18_a_version_that_waited_for_its_id_is_not_sent_after_a_newer_one() {
    for (one, other) in [(FIRST, SECOND), (SECOND, FIRST)] {
        for gone in [Change::Delete(0), Change::Move(0, UNIT_OUTSIDE)] {
            let steps = [
                run(one),
                change(Change::Describe(0)),
                run(other),
                change(Change::Describe(0)),
                run(one),
                change(gone),
                run(one),
                Step::Run(Run {
                    profiles: other,
                    ..Run::of(Mode::Baseline)
                }),
            ];
            let setting = Setting {
                objects: 9,
                // What waits is sent while the rest is read.
                page_size: 2,
                batch_assets: 1,
                ..owned(2, Second::Domain, Identity::Sid)
            };
            assert_all_converge(&setting, &steps);
        }
    }
}

#[test]
fn r17_an_asset_is_sent_again_after_another_object_may_have_arrived_under_its_id() {
    let steps = [
        run(FIRST),
        change(Change::TakeId(1, 0)),
        run(FIRST),
        change(Change::Hide(0)),
        // Object 1 is sent with the id, and nobody knows whether it arrived.
        Step::Refusal(Some(Refusal {
            who: Vec::new(),
            how: Refused::Cut,
        })),
        Step::Run(Run::of(Mode::Baseline)),
        Step::Refusal(None),
        change(Change::NewId(1)),
        change(Change::Show(0)),
        Step::Run(Run::of(Mode::Baseline)),
    ];
    assert_all_converge(&owned(1, Second::Outside, Identity::Mail), &steps);
}

#[test]
fn r02_a_read_with_another_mapping_that_breaks_off_is_not_followed_by_a_delta_of_the_first() {
    let fault = DirectoryFault {
        controller: 0,
        on: On::Search,
        nth: 5,
        trouble: Trouble::Code(52),
    };
    let steps = [
        run(FIRST),
        Step::Identity(Identity::Sid),
        Step::Run(Run {
            directory: vec![fault],
            ..Run::of(Mode::Delta)
        }),
        Step::Identity(Identity::Mail),
        run(FIRST),
    ];
    let setting = Setting {
        objects: 9,
        page_size: 2,
        batch_assets: 1,
        ..owned(1, Second::Outside, Identity::Mail)
    };
    assert_all_converge(&setting, &steps);
}

#[test]
fn r32_an_asset_that_is_refused_delays_no_other() {
    let ways = [
        Refused::Listed200,
        Refused::Listed207,
        Refused::Status(400),
        Refused::Status(422),
        Refused::Status(500),
        Refused::Cut,
    ];
    for how in ways {
        for who in [vec![3], vec![0, 7, 8]] {
            let steps = [
                Step::Refusal(Some(Refusal { who, how })),
                run(FIRST),
                change(Change::Describe(3)),
                change(Change::Describe(4)),
                run(FIRST),
                change(Change::Delete(3)),
                run(FIRST),
            ];
            let setting = Setting {
                objects: 10,
                ..owned(1, Second::Outside, Identity::Sid)
            };
            assert_all_converge(&setting, &steps);
        }
    }
}
