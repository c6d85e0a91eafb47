//! Claims of objects to ids (R37), by profile: which there are, were, and are known to the program.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::arrivals::Versions;
use super::super::audit::told_removed;
use super::World;

/// An object, by its number, with the `externalAssetId` that it claims.
type Claim = (usize, String);

/// Claims by profile.
#[derive(Debug)]
pub(super) struct Claims {
    /// All that there ever were.
    ever: Vec<BTreeSet<Claim>>,
    /// The last one of each object.
    last: Vec<BTreeMap<usize, String>>,
    /// Claims that did not stand at some moment since the last run of the profile.
    lost: Vec<BTreeSet<Claim>>,
    /// Claims that the last complete read of the profile found, and that stand ever since.
    known: Vec<BTreeSet<Claim>>,
}

/// An object that a connection lists, and the id that its asset has or had.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    pub guid: String,
    pub id: String,
}

/// The lists of one connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lists {
    pub removed: BTreeSet<Listed>,
    /// Held back by the threshold.
    pub held: BTreeSet<Listed>,
    /// Objects that did not get through.
    pub rejected: BTreeSet<String>,
}

/// Ids at the end of a history.
#[derive(Debug, Default)]
pub struct Owned {
    /// Claimed by several objects.
    pub contested: usize,
    /// Claimed by another object before.
    pub passed_on: usize,
}

impl Claims {
    pub(super) fn new(profiles: usize) -> Self {
        Self {
            ever: vec![BTreeSet::new(); profiles],
            last: vec![BTreeMap::new(); profiles],
            lost: vec![BTreeSet::new(); profiles],
            known: vec![BTreeSet::new(); profiles],
        }
    }
}

/// The `externalAssetId` of an asset.
pub fn id_of(asset: &Value) -> String {
    text_of(asset, "externalAssetId")
}

/// The GUID in an asset.
pub fn guid_of(asset: &Value) -> String {
    text_of(asset, "vendorAssetId")
}

fn text_of(asset: &Value, key: &str) -> String {
    let text = asset["asset"]["assetHeader"][key].as_str();
    text.unwrap_or_default().to_owned()
}

impl World {
    /// Notes which claims stand, after any change.
    pub(super) fn note_claims(&mut self) {
        for profile in 0..self.claims.ever.len() {
            let standing = self.standing(profile);
            let gone = self.gone(profile, &standing);
            let claims = &mut self.claims;
            claims.lost[profile].extend(gone);
            claims.known[profile].retain(|claim| standing.contains(claim));
            claims.last[profile].extend(standing.iter().cloned());
            claims.ever[profile].extend(standing);
        }
    }

    /// From here on it is recorded which claims of the profile do not stand at some moment.
    pub fn watch_claims(&mut self, profile: usize) {
        let standing = self.standing(profile);
        self.claims.lost[profile] = self.gone(profile, &standing);
    }

    /// A complete read of the profile found every claim that stands now.
    pub fn know_claims(&mut self, profile: usize) {
        self.claims.known[profile] = self.standing(profile);
    }

    /// Every version of every object's asset, by GUID.
    pub fn versions_by_guid(&self) -> Versions<'_> {
        let objects = self.objects.iter();
        objects
            .map(|object| (self.guid(object), object.versions.as_slice()))
            .collect()
    }

    /// The GUID of the object with this number, counted round.
    pub fn guid_numbered(&self, number: u16) -> Option<String> {
        let at = usize::from(number).checked_rem(self.objects.len())?;
        Some(self.guid(&self.objects[at]))
    }

    /// What a run of the profile newly lists as removed was not there at some moment since the run
    /// before (R22), and its id is claimed by no object that is known (R37).
    ///
    /// # Errors
    /// The first object of which that is not true.
    pub fn check_newly_listed(&self, profile: usize, new: &BTreeSet<Listed>) -> Result<(), String> {
        for listed in new {
            let Listed { guid, id } = listed;
            let mut lost = self.claims.lost[profile].iter();
            if !lost.any(|(at, lost)| lost == id && self.guid(&self.objects[*at]) == *guid) {
                return Err(format!(
                    "R22: profile {profile} lists {id} of {guid} as removed, and it is there, or never was"
                ));
            }
            self.check_unclaimed(id, "is listed as removed")?;
        }
        Ok(())
    }

    /// No object that is known claims the id.
    ///
    /// # Errors
    /// The object that does.
    pub fn check_unclaimed(&self, id: &str, what: &str) -> Result<(), String> {
        let known = self.claims.known.iter().flatten();
        match known.into_iter().find(|(_, known)| known == id) {
            Some((at, _)) => Err(format!(
                "R37 (a): {id} {what}, and {} claims it, as was read",
                self.dn(&self.objects[*at])
            )),
            None => Ok(()),
        }
    }

    /// After a run of the profile without a failure upstream holds every asset in its scope: of a
    /// run that left nothing out (`processed`) all of them, of any other those whose id nobody else
    /// ever claimed and that the gateway does not refuse.
    ///
    /// # Errors
    /// The first object of which it does not.
    pub fn check_promise_of(
        &self,
        profile: usize,
        upstream: &BTreeMap<String, Value>,
        processed: bool,
        is_refused: impl Fn(&str) -> bool,
    ) -> Result<(), String> {
        for (at, id) in self.standing(profile) {
            let object = &self.objects[at];
            let is_sole = self.is_sole(profile, at, &id);
            if !processed && (!is_sole || is_refused(&self.guid(object))) {
                continue;
            }
            let (asset, held) = (self.asset(0, object), upstream.get(&id));
            if held != asset.as_ref() {
                let rule = match processed {
                    true => "the promise",
                    false => "R32 or R37 (c)",
                };
                return Err(format!(
                    "{rule}: after a run of profile {profile} {} is upstream\n  {}\nand in the directory\n  {}",
                    self.dn(object),
                    shown(held),
                    shown(asset.as_ref()),
                ));
            }
        }
        Ok(())
    }

    /// No other object, and no other profile of this one, ever claimed the id.
    fn is_sole(&self, profile: usize, at: usize, id: &str) -> bool {
        let all = self.claims.ever.iter().enumerate();
        let mut all = all.flat_map(|(of, claims)| claims.iter().map(move |claim| (of, claim)));
        all.all(|(of, (other, claimed))| claimed != id || (*other == at && of == profile))
    }

    /// At the end upstream holds of each id the asset of a live object that claims it, and others
    /// that claim it are listed as rejected; each id that no live object claims is reported as
    /// removed, and no other one is.
    ///
    /// # Errors
    /// The first id of which that is not true.
    pub fn check_owners(&self, upstream: &BTreeMap<String, Value>, lists: &[Lists]) -> Result<Owned, String> {
        let mut claimed: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for profile in 0..self.scopes.len() {
            for (at, id) in self.standing(profile) {
                claimed.entry(id).or_default().insert(at);
            }
        }
        let undecided = self.undecided_ids();
        let mut owned = Owned::default();
        for (id, claimants) in claimed.iter().filter(|(id, _)| !undecided.contains(*id)) {
            self.check_claimed(id, claimants, upstream.get(id), lists)?;
            let mut ever = self.claims.ever.iter().flatten();
            let is_passed_on = ever.any(|(at, claimed)| claimed == id && !claimants.contains(at));
            owned.contested += usize::from(claimants.len() > 1);
            owned.passed_on += usize::from(is_passed_on);
        }
        for (id, asset) in upstream {
            if claimed.contains_key(id) || undecided.contains(id) {
                continue;
            }
            let is_listed = lists
                .iter()
                .any(|lists| lists.removed.iter().any(|listed| listed.id == *id));
            if !is_listed {
                return Err(format!(
                    "R22 or R37 (b): no live object claims {id}, and it is not listed as removed: {asset}"
                ));
            }
            if told_removed(asset).is_some() != self.tells_removals {
                return Err(format!("R24: {id} is removed, and upstream holds {asset}"));
            }
        }
        Ok(owned)
    }

    fn check_claimed(
        &self,
        id: &str,
        claimants: &BTreeSet<usize>,
        held: Option<&Value>,
        lists: &[Lists],
    ) -> Result<(), String> {
        let names: Vec<String> = claimants.iter().map(|at| self.dn(&self.objects[*at])).collect();
        let names = names.join(" and ");
        let owner = claimants
            .iter()
            .find(|at| held.is_some() && self.asset(0, &self.objects[**at]).as_ref() == held);
        let Some(owner) = owner else {
            let rule = match held {
                Some(held) if told_removed(held).is_some() => "R37 (a), removed",
                Some(held)
                    if !claimants
                        .iter()
                        .any(|at| self.guid(&self.objects[*at]) == guid_of(held)) =>
                {
                    "R37 (c), of another object"
                }
                Some(_) => "the promise, an older version",
                None => "the promise, it never came",
            };
            return Err(format!(
                "{rule}: {id} is claimed by {names}, and upstream is {}",
                shown(held)
            ));
        };
        for lists in lists {
            for (word, list) in [("removed", &lists.removed), ("held back", &lists.held)] {
                if list.iter().any(|listed| listed.id == id) {
                    return Err(format!(
                        "R37 (a): {id} is listed as {word}, and claimed by {names}"
                    ));
                }
            }
        }
        for at in claimants.iter().filter(|at| *at != owner) {
            let guid = self.guid(&self.objects[*at]);
            if !lists.iter().any(|lists| lists.rejected.contains(&guid)) {
                return Err(format!(
                    "R37 (c): {} claims {id}, which another one has, and is not listed as rejected",
                    self.dn(&self.objects[*at])
                ));
            }
        }
        Ok(())
    }

    /// Ids of live objects of which the mapping can make nothing now: nobody knows which one they
    /// claim.
    fn undecided_ids(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        for (profile, ever) in self.claims.ever.iter().enumerate() {
            let unmapped = self.unmapped(profile);
            let all = ever.iter().filter(|(at, _)| unmapped.contains(at));
            ids.extend(all.map(|(_, id)| id.clone()));
        }
        ids
    }

    /// Claims of objects that a read of the profile should find.
    fn standing(&self, profile: usize) -> BTreeSet<Claim> {
        let objects = self.objects.iter().enumerate();
        objects
            .filter(|(_, object)| self.is_read_by(profile, 0, object))
            .filter_map(|(at, object)| Some((at, id_of(&self.asset(0, object)?))))
            .collect()
    }

    /// Objects that a read of the profile should find, and of which no asset can be made.
    fn unmapped(&self, profile: usize) -> BTreeSet<usize> {
        let objects = self.objects.iter().enumerate();
        objects
            .filter(|(_, object)| self.is_read_by(profile, 0, object))
            .filter(|(_, object)| self.asset(0, object).is_none())
            .map(|(at, _)| at)
            .collect()
    }

    /// Claims that stood and do not stand now. An object of which no asset can be made keeps its
    /// last one.
    fn gone(&self, profile: usize, standing: &BTreeSet<Claim>) -> BTreeSet<Claim> {
        let unmapped = self.unmapped(profile);
        let last = &self.claims.last[profile];
        let is_kept = |(at, id): &Claim| unmapped.contains(at) && last.get(at) == Some(id);
        let ever = self.claims.ever[profile].iter();
        ever.filter(|claim| !standing.contains(claim) && !is_kept(claim))
            .cloned()
            .collect()
    }
}

fn shown(asset: Option<&Value>) -> String {
    asset.map_or_else(|| "nothing".to_owned(), Value::to_string)
}
