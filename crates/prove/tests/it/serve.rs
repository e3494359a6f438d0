//! What every process that serves does, whatever it does for the service.

use cloister_prove::{
    protocol::{Answer, Failure, FailureKind, Outcome, Request, Work},
    serve::{Perform, answer},
};

/// Panics when it is asked to describe itself.
#[derive(Default)]
struct Fragile {
    half_done: bool,
}

impl Perform for Fragile {
    fn perform(&mut self, work: Work) -> Result<Answer, Failure> {
        self.half_done = true;
        assert_ne!(work, Work::Describe {}, "nothing to say");
        Ok(Answer::Verified {})
    }

    fn reset(&mut self) {
        self.half_done = false;
    }
}

#[test]
fn a_panic_fails_the_request_and_what_was_half_done_is_forgotten() {
    let mut fragile = Fragile::default();
    let work = Work::Describe {};

    let reply = answer(&mut fragile, Request { id: 3, work });

    let Outcome::Failed(Failure { kind, message }) = reply.outcome else {
        unreachable!("a panic is no answer");
    };
    assert_eq!((reply.id, kind), (3, FailureKind::Internal));
    assert!(message.contains("nothing to say"), "{message}");
    assert!(!fragile.half_done);
}
