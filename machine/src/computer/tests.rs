use ipsec_core::spd::Action;
use ipsec_policy::profile::WINDOWS_2003;

use super::*;
use crate::network_settings::Adapter;

const NOW: Instant = Instant::from_secs(100);
const BLOCK_TELNET: &str =
    "netsh ipsec static add filter filterlist=telnet srcaddr=any dstaddr=me protocol=tcp dstport=23
    netsh ipsec static add filteraction name=block action=block
    netsh ipsec static add policy name=lockdown activatedefaultrule=no
    netsh ipsec static add rule name=telnet policy=lockdown filterlist=telnet filteraction=block
    netsh ipsec static set policy name=lockdown assign=yes";

fn computer() -> Computer {
    let address = ipsec_core::selector::Prefix::new("10.0.0.1".parse().unwrap(), 24);
    let network = NetworkSettings {
        adapters: vec![Adapter::lan("Local Area Connection", &[address])],
        ..NetworkSettings::default()
    };
    Computer::new(&WINDOWS_2003, network)
}

fn outputs(computer: &mut Computer) -> (Vec<Command>, Vec<MachineEvent>) {
    let (mut commands, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = computer.poll_output() {
        match output {
            Output::Driver(command) => commands.push(command),
            Output::Event(event) => events.push(event),
        }
    }
    (commands, events)
}

fn blocks(commands: &[Command]) -> bool {
    let Some(Command::SetPolicy(databases)) = commands.last() else { panic!("{commands:?}") };
    databases.spd.entries().iter().any(|e| e.action == Action::Discard)
}

/// W-POL-15: "agent stop: policy removed; start: restored".
#[test]
fn a_service_that_stops_takes_its_policy_along() {
    let mut computer = computer();
    computer.enter(BLOCK_TELNET, None, NOW).unwrap();
    assert!(blocks(&outputs(&mut computer).0));
    computer.stop_service();
    let (commands, events) = outputs(&mut computer);
    assert!(matches!(commands.first(), Some(Command::Shutdown)), "peers are told");
    assert!(!blocks(&commands));
    assert_eq!(events, [MachineEvent::ServiceStopped, MachineEvent::DriverEntered(DriverMode::Permit)]);
    computer.start_service(NOW);
    assert!(blocks(&outputs(&mut computer).0));
}
