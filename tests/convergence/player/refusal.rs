//! A gateway that refuses chosen assets, or all, for a while (R32).

use std::collections::{BTreeMap, BTreeSet};

use lab::receiver::{Answer, ErrorForm, Rule};
use serde_json::Value;

use super::super::history::{self, Refusal, Setting};
use super::super::world::guid_of;
use super::{Player, lock};

/// Refusals of the gateway until further notice.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    /// GUIDs of the objects; `None` is every one.
    who: Option<BTreeSet<String>>,
    how: history::Refused,
}

impl Refused {
    /// Every asset is refused.
    pub(super) fn is_all(&self) -> bool {
        self.who.is_none()
    }

    pub(super) fn concerns(&self, guid: &str) -> bool {
        self.who.as_ref().is_none_or(|who| who.contains(guid))
    }

    /// The gateway names the assets itself.
    pub(super) fn is_listed(&self) -> bool {
        matches!(
            self.how,
            history::Refused::Listed200 | history::Refused::Listed207
        )
    }

    /// Requests that fail do not end a run before others were sent: of each asset it takes three in
    /// a row, and nine end the run. An object may be upstream under several ids, where removals are
    /// sent.
    pub(super) fn leaves_time(&self, setting: &Setting) -> bool {
        let is_failing = match self.how {
            history::Refused::Cut => true,
            history::Refused::Status(code) => code >= 500,
            history::Refused::Listed200 | history::Refused::Listed207 => false,
        };
        let is_few = self.who.as_ref().is_some_and(|who| who.len() <= 2);
        !is_failing || (is_few && !setting.tells_removals)
    }

    /// The answer to a request with these assets.
    fn answer(&self, assets: &[(String, Value)]) -> Option<Answer> {
        let refused = assets.iter().filter(|(_, asset)| self.concerns(&guid_of(asset)));
        let reasons: BTreeMap<String, String> = refused
            .map(|(id, _)| (id.clone(), "refused as the history says".to_owned()))
            .collect();
        if reasons.is_empty() {
            return None;
        }
        Some(match self.how {
            history::Refused::Listed200 => Answer::Reject(ErrorForm::Map200, reasons),
            history::Refused::Listed207 => Answer::Reject(ErrorForm::List, reasons),
            history::Refused::Status(code) => Answer::status(code),
            history::Refused::Cut => Answer::CutBefore,
        })
    }
}

impl Player {
    /// From here on the gateway refuses this, and nothing else.
    pub(super) fn refuse(&mut self, refusal: Option<&Refusal>) {
        let give_up_after = self.give_up_after();
        self.refused = refusal.map(|refusal| {
            let world = lock(&self.world);
            let who = refusal.who.iter().filter_map(|who| world.guid_numbered(*who));
            Refused {
                who: (!refusal.who.is_empty()).then(|| who.collect()),
                how: refusal.how,
            }
        });
        if self.give_up_after() != give_up_after {
            self.programs = None;
        }
        let rule = self.refused.clone();
        let rule = rule.map(|refused| Rule::new(move |assets| refused.answer(assets)));
        self.receiver.set_rule(rule);
    }

    /// `QUALYS_GIVE_UP_AFTER`: long enough to find by halving what the gateway refuses, and short
    /// where the run is to give up.
    pub(super) fn give_up_after(&self) -> &'static str {
        match &self.refused {
            Some(refused) if !refused.is_all() && !refused.is_listed() => "5s",
            _ => "40ms",
        }
    }
}
