use super::*;

#[test]
fn r12_what_is_discarded_in_one_answer_is_bounded() {
    // Only the sizes count: 4 of 256 MiB are discarded, and the fifth is refused by its header.
    let exchange = Mutex::new(OpenRequest::of(1, RequestOperation::Search));
    let mut inbox = ReceivedOctets::default();
    for number in 1..=5 {
        let start = [
            0x30, 0x84, 0x0F, 0xFF, 0xFF, 0xFA, 0x02, 0x01, 0x01, 0x64, 0x84, 0x0F, 0xFF, 0xFF, 0xF1,
        ];
        inbox.buffer().put_slice(&start);
        let (_, then) = inbox.check(&exchange);
        assert_eq!(matches!(then, AfterEntries::Dropped(15)), number < 5, "{number}");
        assert_eq!(
            matches!(then, AfterEntries::Fault(GuardFault::TooMuch)),
            number == 5,
            "{number}"
        );
        inbox.oversized = None;
    }
}
