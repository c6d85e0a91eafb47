use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::directory::recorded;

/// Seals by turning every octet over, after a count that must go up by one.
#[derive(Debug, Default)]
struct Turned {
    sealed: u8,
    opened: u8,
}

impl SealLayer for Turned {
    fn seal(&mut self, message: &[u8]) -> Result<Vec<u8>, String> {
        let mut token = vec![self.sealed];
        token.extend(message.iter().map(|octet| !octet));
        self.sealed = self.sealed.wrapping_add(1);
        Ok(token)
    }

    fn open(&mut self, token: &[u8]) -> Result<Vec<u8>, String> {
        match token {
            [count, turned @ ..] if *count == self.opened => {
                self.opened = self.opened.wrapping_add(1);
                Ok(turned.iter().map(|octet| !octet).collect())
            }
            _ => Err("a token out of order".to_owned()),
        }
    }
}

/// The least that the other side may take.
const LEAST: usize = 2 * OVERHEAD;

fn sealed(socket: DuplexStream) -> SealedStream<DuplexStream, Turned> {
    SealedStream::new(socket, Turned::default(), LEAST).unwrap()
}

/// Returns the octets that a reader gets from `octets` of the other side, which then ends.
async fn read(octets: &[u8]) -> io::Result<Vec<u8>> {
    let (ours, mut theirs) = duplex(octets.len() + 1);
    theirs.write_all(octets).await.unwrap();
    drop(theirs);
    let mut found = Vec::new();
    sealed(ours).read_to_end(&mut found).await.map(|_| found)
}

fn buffer(token: &[u8]) -> Vec<u8> {
    [&u32::try_from(token.len()).unwrap().to_be_bytes(), token].concat()
}

#[tokio::test]
async fn r12_a_length_beyond_what_was_agreed_is_refused_before_anything_is_stored() {
    for length in [LONGEST + 1, 0x6048_3039, u32::MAX] {
        let error = read(&length.to_be_bytes()).await.unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains(&format!("a sealed buffer of {length} octets")),
            "{said}"
        );
    }
    // Clear text, such as an LDAP message that somebody slips in, has such a length too.
    assert!(read(b"\x30\x0C\x02\x01\x01\x65\x07").await.is_err());
}

#[tokio::test]
async fn r12_a_token_that_was_not_sealed_so_ends_the_connection() {
    let repeated = [buffer(&[0, !b'a']), buffer(&[0, !b'b'])].concat();
    assert_eq!(
        read(&repeated).await.unwrap_err().to_string(),
        "refused a token out of order"
    );
    assert!(read(&buffer(b"")).await.is_err());
}

#[tokio::test]
async fn an_end_between_buffers_is_an_end_and_one_inside_is_a_cut() {
    assert_eq!(read(&buffer(&[0, !b'a'])).await.unwrap(), b"a");
    assert_eq!(read(b"").await.unwrap(), b"");
    for cut in 1..6 {
        let error = read(&buffer(&[0, !b'a'])[..cut]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{cut}");
    }
}

#[test]
fn another_side_that_takes_next_to_nothing_gets_nothing() {
    for theirs in [0, 1, OVERHEAD, LEAST - 1] {
        assert!(
            SealedStream::new((), Turned::default(), theirs).is_none(),
            "{theirs}"
        );
    }
}

#[tokio::test]
async fn nothing_leaves_in_clear_or_in_larger_tokens_than_the_other_side_takes() {
    let (ours, mut theirs) = duplex(1 << 20);
    let message = vec![b'a'; 10_000];
    let mut ours = sealed(ours);
    ours.write_all(&message).await.unwrap();
    ours.flush().await.unwrap();
    drop(ours);
    let mut sent = Vec::new();
    theirs.read_to_end(&mut sent).await.unwrap();
    assert!(!sent.contains(&b'a'));
    let mut rest = sent.as_slice();
    let mut tokens = 0;
    while let Some((header, after)) = rest.split_first_chunk::<HEADER>() {
        let length = usize::try_from(u32::from_be_bytes(*header)).unwrap();
        assert!(length <= LEAST, "{length}");
        (rest, tokens) = (&after[length..], tokens + 1);
    }
    assert_eq!((rest.len(), tokens), (0, 10_000_usize.div_ceil(LEAST - OVERHEAD)));
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened_however_it_is_cut(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2_000), 1..8),
        narrow in 1_usize..600,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (expected, found) = runtime.block_on(async {
            let (ours, theirs) = duplex(narrow);
            let (mut ours, mut theirs) = (sealed(ours), sealed(theirs));
            let expected = messages.concat();
            let writer = async {
                for message in &messages {
                    ours.write_all(message).await.unwrap();
                    ours.flush().await.unwrap();
                }
                ours.shutdown().await.unwrap();
            };
            let mut found = Vec::new();
            let reader = async { theirs.read_to_end(&mut found).await.unwrap() };
            tokio::join!(writer, reader);
            (expected, found)
        });
        prop_assert_eq!(expected, found);
    }
}

/// Opens tokens of RFC 4121 that are signed but not sealed, without a look at the checksum, and
/// notes their lengths.
#[derive(Debug, Default)]
struct Signed {
    lengths: Vec<usize>,
}

impl SealLayer for Signed {
    fn seal(&mut self, message: &[u8]) -> Result<Vec<u8>, String> {
        Ok(message.to_vec())
    }

    fn open(&mut self, token: &[u8]) -> Result<Vec<u8>, String> {
        self.lengths.push(token.len());
        match token {
            // Section 4.2.6.2: identifier, flags, filler, extra count, right rotation count,
            // sequence number.
            [0x05, 0x04, flags, 0xFF, _, _, high, low, rest @ ..] if flags & 2 == 0 => {
                let rotation = usize::from(u16::from_be_bytes([*high, *low]));
                Ok(rest[8 + rotation..].to_vec())
            }
            _ => Err("a token that only the key opens".to_owned()),
        }
    }
}

#[tokio::test]
async fn r12_recorded_frames_of_windows_are_split_where_they_end() {
    let files = recorded::all();
    let frames = files.iter().filter(|file| file.name.starts_with("sasl/"));
    let mut count = 0;
    for file in frames {
        let frame = &file.expected["frame"];
        for size in [1, 7, 1460, 1 << 20] {
            let (ours, mut theirs) = duplex(1 << 16);
            let octets = [file.octets.clone(), file.octets.clone()].concat();
            for chunk in octets.chunks(size) {
                theirs.write_all(chunk).await.unwrap();
            }
            drop(theirs);
            let mut reader = SealedStream::new(ours, Signed::default(), LEAST).unwrap();
            let mut found = Vec::new();
            let read = reader.read_to_end(&mut found).await;
            assert_eq!(frame["length"], reader.layer.lengths[0]);
            if frame["sealed"] == true {
                let refused = read.unwrap_err().to_string();
                assert_eq!(refused, "refused a token that only the key opens");
                continue;
            }
            read.unwrap();
            assert_eq!(reader.layer.lengths.len(), 2);
            let answer = files.iter().find(|file| file.name == "answers/2019-krbtgt.bin");
            let answer = &answer.unwrap().octets;
            assert_eq!(found, [answer.as_slice(), answer].concat());
        }
        count += 1;
    }
    assert_eq!(count, 2);
}
