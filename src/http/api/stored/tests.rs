use super::*;

fn read(text: &'static str) -> Result<Option<Vec<i64>>, ()> {
    let mut headers = HeaderMap::new();
    headers.insert(IF_MATCH, HeaderValue::from_static(text));
    match RevisionCondition::read(&headers) {
        Ok(Some(RevisionCondition::OneOf(revisions))) => Ok(Some(revisions)),
        Ok(_) => Ok(None),
        Err(_) => Err(()),
    }
}

#[test]
fn an_entity_tag_is_compared_strongly() {
    assert_eq!(read("\"7\""), Ok(Some(vec![7])));
    assert_eq!(read("\"7\", \"8\""), Ok(Some(vec![7, 8])));
    assert_eq!(read("*"), Ok(None));
    assert_eq!(read("W/\"7\""), Ok(Some(vec![])), "a weak one matches nothing");
    assert_eq!(read("\"abc\""), Ok(Some(vec![])));
    for malformed in ["7", "\"7", "\"7\" \"8\"", ""] {
        assert_eq!(read(malformed), Err(()), "{malformed}");
    }
}
