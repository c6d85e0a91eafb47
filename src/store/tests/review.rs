//! Reviews that are kept and forgotten.

use super::*;

#[test]
fn the_last_reviews_are_kept_and_older_ones_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("state.db"), StoreAccess::ReadWrite).unwrap();
    assert_eq!(store.last_review().unwrap(), None);
    assert_eq!(store.reviews(2).unwrap(), Vec::<String>::new());
    for number in 1..=12 {
        let document = format!("document {number}");
        store
            .keep_review(1_000 + number, number % 2 == 0, "{\"gone\":1}", &document)
            .unwrap();
    }
    let last = store.last_review().unwrap().unwrap();
    assert_eq!((last.number, last.at, last.complete), (12, 1_012, true));
    assert_eq!(last.counts, "{\"gone\":1}");
    let kept = store.reviews(100).unwrap();
    assert_eq!(kept.len(), 10);
    assert_eq!(
        (kept[0].as_str(), kept[9].as_str()),
        ("document 12", "document 3")
    );
    // A year later nothing of then is left.
    store
        .keep_review(1_012 + 401 * 86_400, true, "{}", "new")
        .unwrap();
    assert_eq!(store.reviews(100).unwrap(), ["new"]);
}
