//! Conditions between rows: no two of them conflict, and one gives the identity.

use std::ops::Range;

use super::draft::RowDraft;
use super::errors::MistakeReport;
use super::form::JsonType;
use super::row::{Literal, RowOrigin, TargetClash, TargetPath};
use crate::identity::Kind;

/// Target with its place in the file.
type PlacedTarget<'a> = (&'a TargetPath, &'a Range<usize>);

/// Reports rows of a kind that write to the same place, or one inside the other.
pub(super) fn clashes(report: &mut MistakeReport<'_>, drafts: &[RowDraft]) {
    let targets: Vec<PlacedTarget<'_>> = drafts
        .iter()
        .filter_map(|draft| draft.target.as_ref())
        .map(|(target, place)| (target, place))
        .collect();
    for (at, (target, place)) in targets.iter().enumerate() {
        for (earlier, earlier_place) in targets.iter().take(at) {
            if let Some(clash) = target.clash(earlier) {
                let line = report.line(earlier_place);
                report.at(place, clash_reason(clash, target, earlier, line));
            }
        }
    }
}

fn clash_reason(clash: TargetClash, target: &TargetPath, other: &TargetPath, line: usize) -> String {
    match clash {
        TargetClash::Same => format!("target `{target}` is already given in line {line}"),
        TargetClash::OtherHoldsThis => {
            format!(
                "target `{target}` lies inside `{other}` of line {line}, which holds a value and can hold no keys"
            )
        }
        TargetClash::ThisHoldsOther => {
            format!("target `{target}` holds a value, but line {line} puts `{other}` inside it")
        }
    }
}

/// Reports a kind whose rows do not give the identity of its assets, in every object, from the
/// object itself.
pub(super) fn identity(report: &mut MistakeReport<'_>, kind: Kind, drafts: &[RowDraft], whole: bool) {
    let is_identity = |draft: &&RowDraft| {
        draft
            .target
            .as_ref()
            .is_some_and(|(target, _)| target.is_external_id())
    };
    let Some(row) = drafts.iter().find(is_identity) else {
        if let Some(first) = drafts.first().filter(|_| whole) {
            let reason = format!(
                "no row of `{kind}` has the target `{}`: without it ETM cannot distinguish assets; add one, \
                 with source = \"objectSid\" and required = true",
                TargetPath::EXTERNAL_ID
            );
            report.at(&first.place, reason);
        }
        return;
    };
    let mut wrong = |reason: &str| {
        report.at(
            &row.place,
            format!("target `{}` {reason}", TargetPath::EXTERNAL_ID),
        )
    };
    match &row.origin {
        Some(RowOrigin::Constant(_)) => {
            wrong("cannot be a constant: every asset needs an identity of its own")
        }
        Some(RowOrigin::Sources(sources)) => {
            if sources
                .iter()
                .any(|source| source.form.output() != JsonType::Text)
            {
                wrong("needs a form that gives a string, such as sid, guid or text");
            }
            if !row.required {
                wrong("needs required = true: an asset without an identity cannot be sent");
            }
        }
        None => {}
    }
    if row.default.is_some() {
        wrong("cannot have a default: every asset needs an identity of its own");
    }
}

/// Reports constants that change the identity of a removed object, or do not fit into the asset
/// that it had.
pub(super) fn removal(
    report: &mut MistakeReport<'_>,
    kinds: &[(Kind, Vec<RowDraft>)],
    removed: &[(TargetPath, Range<usize>, Literal)],
) {
    for (at, (target, place, _)) in removed.iter().enumerate() {
        if target.is_external_id() {
            report.at(
                place,
                format!("target `{target}` cannot be replaced: it identifies the removed asset"),
            );
        }
        for (earlier, earlier_place, _) in removed.iter().take(at) {
            if let Some(clash) = target.clash(earlier) {
                let line = report.line(earlier_place);
                report.at(place, clash_reason(clash, target, earlier, line));
            }
        }
        let rows = kinds
            .iter()
            .flat_map(|(_, drafts)| drafts)
            .filter_map(|draft| draft.target.as_ref());
        for (other, other_place) in rows {
            // The same target is no clash: the constant takes the place of the last value.
            if let Some(clash) = target.clash(other).filter(|clash| *clash != TargetClash::Same) {
                let line = report.line(other_place);
                report.at(place, clash_reason(clash, target, other, line));
            }
        }
    }
}
