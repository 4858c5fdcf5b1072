//! The wall clock is set: by hand, by NTP, or at the start of a host without a battery.

use super::*;

const DAY: u64 = 86_400;

/// The kernel's clock goes on, and nobody sets it.
fn receive(edge: &mut TestEdge, wall: u64, text: &str) -> Received {
    let now = Now { wall: WallSeconds::new(wall), ..edge.now() };
    edge.edge.receive(udp(PHONE), Carrier::Datagram, text.as_bytes(), now)
}

#[test]
fn breaks_25_a_step_of_the_wall_clock_ends_no_nonce_and_no_suspension() {
    for wall in [0, 1_000 - 1, 1_000 + 365 * DAY] {
        let mut edge = TestEdge::new();
        let request = Request::register("201");
        let (_, challenge) = edge.ask(PHONE, &request.text(""));
        edge.seconds += 200;
        let received = receive(&mut edge, wall, &request.text(&request.credentials(&challenge, PASSWORD)));
        assert!(is_sent_on(&received), "{wall}: {received:?}");

        let name = Account::new(b"201").unwrap();
        let until = KernelTime::from_nanos((edge.seconds + 60) * 1_000_000_000);
        edge.edge.in_force().suspend(name, PHONE.parse::<SocketAddr>().unwrap().ip(), until);
        for (seconds, cause) in [(59, Cause::Suspended), (1, Cause::Challenged)] {
            edge.seconds += seconds;
            assert_eq!(receive(&mut edge, wall, &request.text("")).cause, Some(cause), "{wall}");
        }
    }
}

/// The operator means a day in the calendar.
#[test]
fn breaks_25_an_account_expires_and_comes_back_with_the_wall_clock() {
    let mut edge = TestEdge::new();
    let days = [(0, None), (1, Some(Cause::Expired)), (365 * DAY, Some(Cause::Expired)), (0, None)];
    for (number, (wall, expected)) in (1..).zip(days) {
        let request = Request { number, ..Request::register("expired") };
        let (_, challenge) = edge.ask(PHONE, &request.text(""));
        let received = receive(&mut edge, wall, &request.text(&request.credentials(&challenge, PASSWORD)));
        assert_eq!(received.cause, expected, "{wall}");
    }
}
