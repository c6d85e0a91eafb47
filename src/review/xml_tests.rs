//! Bounds and shapes of the XML reader.

use super::*;

fn records(text: &str) -> (Vec<Element>, Result<Element, XmlFault>) {
    let mut taken = Vec::new();
    let root = read(text.as_bytes(), "USER", &mut |element| taken.push(element));
    (taken, root)
}

fn fault(text: &str) -> XmlFault {
    records(text).1.unwrap_err()
}

#[test]
fn records_are_handed_over_and_the_rest_is_kept() {
    let (taken, root) = records(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE O SYSTEM \"user_list_output.dtd\">\n\
         <O><LIST><USER><A><![CDATA[ a<b ]]></A><B/></USER><USER>x&amp;&#65;&lt;</USER></LIST><E n='1'>t</E></O>",
    );
    let root = root.unwrap();
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0].text_of("A"), Some("a<b"));
    assert_eq!(taken[0].text_of("B"), Some(""));
    assert_eq!(taken[0].filled("B"), None);
    assert_eq!(taken[0].text_of("C"), None);
    assert_eq!(taken[1].text, "x&A<");
    assert_eq!(root.child("LIST").unwrap().children, []);
    assert_eq!(root.child("E").unwrap().attribute("n"), Some("1"));
}

#[test]
fn entity_bombs_and_declarations_are_refused() {
    let bomb = "<!DOCTYPE b [<!ENTITY a \"aaaa\"><!ENTITY c \"&a;&a;&a;\">]><b>&c;</b>";
    assert_eq!(fault(bomb), XmlFault::Declarations);
    let external = "<!DOCTYPE b [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><b>&x;</b>";
    assert_eq!(fault(external), XmlFault::Declarations);
    assert_eq!(fault("<b>&x;</b>"), XmlFault::Entity("x".to_owned()));
    assert_eq!(fault("<b>&#0;</b>"), XmlFault::Entity("#0".to_owned()));
    assert_eq!(
        fault("<b>&#x110000;</b>"),
        XmlFault::Entity("#x110000".to_owned())
    );
}

#[test]
fn what_is_no_xml_is_named_with_its_first_words() {
    assert_eq!(fault(""), XmlFault::Empty);
    assert_eq!(fault(" \r\n "), XmlFault::Empty);
    assert_eq!(
        fault("<!DOCTYPE html><html><body>Please <b>log in</b>.<br></body></html>"),
        XmlFault::Page("Please log in .".to_owned())
    );
    assert_eq!(fault("{\"a\": 1}"), XmlFault::NotXml("{\"a\": 1}".to_owned()));
    assert!(matches!(fault("<a></b>"), XmlFault::Malformed(_)));
    assert!(matches!(fault("<a/><b/>"), XmlFault::Malformed(_)));
    assert!(matches!(fault("<a/>text"), XmlFault::Malformed(_)));
    assert!(matches!(fault("<!-- only a remark -->"), XmlFault::Malformed(_)));
}

#[test]
fn a_document_that_breaks_off_keeps_what_was_read() {
    let (taken, root) = records("<O><USER>1</USER><USER>2</USER><USER>3");
    assert_eq!(taken.len(), 2);
    assert_eq!(root, Err(XmlFault::Truncated("USER".to_owned())));
    let (taken, root) = records("<O><USER>1</USER><USER><LOG");
    assert_eq!(taken.len(), 1);
    assert!(matches!(root, Err(XmlFault::Malformed(_))), "{root:?}");
}

#[test]
fn depth_names_numbers_and_lengths_are_bounded() {
    let deep = "<a>".repeat(40);
    assert_eq!(fault(&deep), XmlFault::TooMuch("more than 32 levels"));
    let name = format!("<{}/>", "n".repeat(300));
    assert_eq!(fault(&name), XmlFault::TooMuch("a name of more than 256 octets"));
    let wide = format!("<a>{}</a>", "<b/>".repeat(60_000));
    assert_eq!(
        fault(&wide),
        XmlFault::TooMuch("more than 50,000 elements beside each other")
    );
    let many = format!("<a>{}</a>", "<USER/>".repeat(200_001));
    assert_eq!(fault(&many), XmlFault::TooMuch("more than 200,000 records"));
}

#[test]
fn all_texts_of_a_record_are_bounded_together() {
    let text = format!("<T>{}</T>", "t".repeat(1 << 20));
    let large = format!("<a><USER>{}</USER></a>", text.repeat(17));
    let together = "texts of more than 16 MiB beside each other";
    assert_eq!(fault(&large), XmlFault::TooMuch(together));
    let several = format!("<a>{}</a>", format!("<USER>{text}</USER>").repeat(20));
    assert_eq!(records(&several).0.len(), 20);
}

/// Source that gives the same octets for ever, after a beginning.
struct Endless(&'static [u8], bool);

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.1, true) {
            into.fill(b' ');
            return Ok(into.len());
        }
        into[..self.0.len()].copy_from_slice(self.0);
        Ok(self.0.len())
    }
}

#[test]
fn endless_texts_comments_and_space_end_at_a_bound() {
    for beginning in [&b"<a>t"[..], b"<a><!-- ", b"<a b='", b"<a><![CDATA[", b"<?xml "] {
        let read = read(Endless(beginning, false), "USER", &mut |_| {});
        assert_eq!(read, Err(XmlFault::TooMuch("a text of more than 16 MiB")));
    }
}

#[test]
fn a_connection_that_breaks_is_said() {
    struct Breaking(bool);
    impl Read for Breaking {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::Error::other("reset by peer"));
            }
            into[..8].copy_from_slice(b"<O><USER");
            Ok(8)
        }
    }
    let read = read(Breaking(false), "USER", &mut |_| {});
    assert_eq!(read, Err(XmlFault::Broken("reset by peer".to_owned())));
}
