//! Parts of a filter that all have to match.

/// Returns the parts of a checked filter that all have to match, in its order: those of its
/// outermost `&`, and of each `&` directly in one. Any other filter is its only part.
pub(super) fn split_and(filter: &str) -> Vec<&str> {
    let inner = filter.strip_prefix("(&").and_then(|rest| rest.strip_suffix(')'));
    let Some(inner) = inner else {
        return vec![filter];
    };
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    // A value has no parenthesis of its own (RFC 4515 section 3).
    for (at, octet) in inner.bytes().enumerate() {
        match octet {
            b'(' => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            b')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    parts.extend(inner.get(start..=at).into_iter().flat_map(split_and));
                }
            }
            _ => {}
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::split_and;

    #[test]
    fn a_filter_is_split_at_what_all_has_to_match() {
        let whole = |filter: &str| assert_eq!(split_and(filter), [filter]);
        whole("(department=Sales)");
        whole("(|(a=1)(&(b=2)(c=3)))");
        whole("(!(&(a=1)(b=2)))");
        whole(r"(cn=\28&\29)");
        assert_eq!(split_and("(&(a=1)(b=2))"), ["(a=1)", "(b=2)"]);
        assert_eq!(
            split_and("(&(&(a=1)(!(b=2)))(|(c=3)(d=4)))"),
            ["(a=1)", "(!(b=2))", "(|(c=3)(d=4))"]
        );
        assert_eq!(split_and("(&(a=1))"), ["(a=1)"]);
        assert_eq!(split_and("(&)"), Vec::<&str>::new());
    }
}
