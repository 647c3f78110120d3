//! Random netsh scripts: what two administrators might have meant to agree on, with the mistakes they make.

use std::fmt::Write as _;

use super::{Dice, Place};

/// Server ports that filters and flows use.
pub(super) const PORTS: [u16; 3] = [7, 80, 6667];

const METHODS: [&str; 9] = [
    "ESP[3DES,SHA1]",
    "ESP[DES,MD5]",
    "ESP[3DES,MD5]:50000k/900s",
    "ESP[None,SHA1]",
    "ESP[DES,None]",
    "AH[SHA1]",
    "AH[MD5]:0k/600s",
    "AH[SHA1]+ESP[3DES,None]",
    "AH[MD5]+ESP[DES,SHA1]",
];
const MAIN_MODE: [&str; 4] = ["3DES-SHA1-2", "3DES-MD5-2", "DES-SHA1-1", "DES-MD5-1"];
const PROTOCOLS: [&str; 4] = ["ANY", "ICMP", "TCP", "UDP"];

/// What one rule does, as one side understands it.
#[derive(Clone, Debug)]
struct Intent {
    action: &'static str,
    methods: Vec<&'static str>,
    pfs: bool,
    inpass: bool,
    soft: bool,
    psk: &'static str,
    kerberos: bool,
    tunnel: bool,
    /// Whether the first side's computers are the clients.
    forward: bool,
    protocol: &'static str,
    server_port: u16,
    mirrored: bool,
    connection: &'static str,
}

impl Intent {
    fn draw(dice: &mut Dice) -> Intent {
        let tunnel = dice.chance(40);
        let protocol = if tunnel && dice.chance(70) { "ANY" } else { dice.pick(&PROTOCOLS) };
        let has_port = matches!(protocol, "TCP" | "UDP") && dice.chance(60);
        Intent {
            action: match dice.below(100) {
                0..8 => "permit",
                8..14 => "block",
                _ => "negotiate",
            },
            methods: methods(dice),
            pfs: dice.chance(25),
            inpass: dice.chance(25),
            soft: dice.chance(25),
            psk: "a long string",
            kerberos: false,
            tunnel,
            forward: dice.chance(50),
            protocol,
            server_port: if has_port { dice.pick(&PORTS) } else { 0 },
            mirrored: !tunnel && dice.chance(85),
            connection: "all",
        }
    }

    /// What the other administrator makes of it.
    fn misunderstood(&self, dice: &mut Dice) -> Intent {
        let mut intent = self.clone();
        if dice.chance(4) {
            intent.action = dice.pick(&["permit", "block", "negotiate", "negotiate"]);
        }
        if dice.chance(12) {
            intent.methods = methods(dice);
        }
        for flag in [&mut intent.pfs, &mut intent.inpass, &mut intent.soft, &mut intent.kerberos] {
            *flag ^= dice.chance(4);
        }
        if dice.chance(3) {
            intent.psk = "another string";
        }
        intent.tunnel ^= dice.chance(3);
        intent.mirrored ^= dice.chance(4);
        if dice.chance(4) {
            (intent.protocol, intent.server_port) = ("ANY", 0);
        }
        if dice.chance(15) {
            intent.connection = dice.pick(&["lan", "lan", "dialup"]);
        }
        intent
    }
}

fn methods(dice: &mut Dice) -> Vec<&'static str> {
    (0..=dice.below(3)).map(|_| dice.pick(&METHODS)).collect()
}

/// A script for each side.
pub(super) fn pair(places: &[Place; 2], dice: &mut Dice) -> [String; 2] {
    let common: Vec<Intent> = (0..=dice.below(3)).map(|_| Intent::draw(dice)).collect();
    let main_mode: Vec<&str> = (0..=dice.below(2)).map(|_| dice.pick(&MAIN_MODE)).collect();
    // Two careful administrators agree; what they agree on may still not work.
    let careful = dice.chance(40);
    [0, 1].map(|side| {
        let (mut intents, mut main_mode) = (common.clone(), main_mode.clone());
        if !careful {
            intents.retain(|_| !dice.chance(6));
            intents = intents.iter().map(|i| i.misunderstood(dice)).collect();
            while dice.chance(20) {
                intents.push(Intent::draw(dice));
            }
            if dice.chance(4) {
                main_mode = vec![dice.pick(&MAIN_MODE)];
            }
        }
        let (near, far) = (&places[side], &places[1 - side]);
        Writer { near, far, first: side == 0, careful, rules: 0 }.script(&intents, &main_mode, dice)
    })
}

/// Writes the script of one side.
struct Writer<'a> {
    near: &'a Place,
    far: &'a Place,
    first: bool,
    careful: bool,
    rules: usize,
}

impl Writer<'_> {
    fn script(mut self, intents: &[Intent], main_mode: &[&str], dice: &mut Dice) -> String {
        let pfs = if dice.chance(10) { "yes" } else { "no" };
        let mut out = format!(
            "pushd ipsec static\nadd policy name=P activatedefaultrule=no mmpfs={pfs} mmsecmethods=\"{}\"\n",
            main_mode.join(" ")
        );
        for intent in intents {
            match intent.tunnel && intent.action == "negotiate" {
                true => self.tunnel(&mut out, intent, dice),
                false => self.transport(&mut out, intent, dice),
            }
        }
        // Sometimes nobody assigns it.
        out.push_str(if dice.chance(96) { "set policy name=P assign=yes\npopd\n" } else { "popd\n" });
        out
    }

    fn transport(&mut self, out: &mut String, intent: &Intent, dice: &mut Dice) {
        let client = intent.forward == self.first;
        let (near, far) = (self.near_address(dice), self.far_address(dice));
        let client_port = 0;
        let (from, to) = match client {
            true => ((near, client_port), (far, intent.server_port)),
            false => ((far, client_port), (near, intent.server_port)),
        };
        // The same filter may be written from the server's end.
        let (from, to) = if intent.mirrored && dice.chance(30) { (to, from) } else { (from, to) };
        self.rule(out, intent, (&from.0, from.1), (&to.0, to.1), intent.mirrored, None, dice);
    }

    /// The two rules of a tunnel, one of which may be forgotten.
    fn tunnel(&mut self, out: &mut String, intent: &Intent, dice: &mut Dice) {
        let (near, far) = (self.near_network(dice), self.far_network(dice));
        let (near_port, far_port) = match intent.forward == self.first {
            true => (0, intent.server_port),
            false => (intent.server_port, 0),
        };
        let (near_end, far_end) =
            (self.near.address.address.to_string(), self.far.address.address.to_string());
        let (near_end, far_end) =
            if dice.chance(3) && !self.careful { (far_end, near_end) } else { (near_end, far_end) };
        let (leaving, arriving) = ((near.as_str(), near_port), (far.as_str(), far_port));
        let forgotten = if self.careful { usize::MAX } else { dice.below(24) };
        let inbound_first = dice.chance(50);
        for outbound in [!inbound_first, inbound_first] {
            match outbound {
                true if forgotten != 0 => {
                    self.rule(out, intent, leaving, arriving, intent.mirrored, Some(&far_end), dice);
                }
                false if forgotten != 1 => {
                    self.rule(out, intent, arriving, leaving, intent.mirrored, Some(&near_end), dice);
                }
                _ => {}
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn rule(
        &mut self,
        out: &mut String,
        intent: &Intent,
        from: (&str, u16),
        to: (&str, u16),
        mirrored: bool,
        tunnel: Option<&str>,
        dice: &mut Dice,
    ) {
        self.rules += 1;
        let n = self.rules;
        let yes = |flag: bool| if flag { "yes" } else { "no" };
        let _ = write!(
            out,
            "add filter filterlist=L{n} srcaddr={} dstaddr={} protocol={} ",
            from.0.replacen('/', " srcmask=", 1),
            to.0.replacen('/', " dstmask=", 1),
            intent.protocol,
        );
        if matches!(intent.protocol, "TCP" | "UDP") {
            let _ = write!(out, "srcport={} dstport={} ", from.1, to.1);
        }
        let _ = writeln!(out, "mirrored={}", yes(mirrored));
        let _ = write!(out, "add filteraction name=A{n} action={}", intent.action);
        if intent.action == "negotiate" {
            let (pfs, inpass, soft) = (yes(intent.pfs), yes(intent.inpass), yes(intent.soft));
            let methods = intent.methods.join(" ");
            let _ = write!(out, " qmpfs={pfs} inpass={inpass} soft={soft} qmsecmethods=\"{methods}\"");
        }
        let _ = write!(out, "\nadd rule name=R{n} policy=P filterlist=L{n} filteraction=A{n}");
        if let Some(end) = tunnel {
            let _ = write!(out, " tunnel={end}");
        }
        if dice.chance(3) && !self.careful {
            out.push_str(" activate=no");
        }
        let (connection, kerberos) = (intent.connection, yes(intent.kerberos));
        let _ = writeln!(out, " conntype={connection} kerberos={kerberos} psk=\"{}\"", intent.psk);
    }

    fn near_address(&self, dice: &mut Dice) -> String {
        if self.careful {
            return "me".to_owned();
        }
        match (dice.below(100), self.near.inside) {
            (0..70, _) => "me".to_owned(),
            (70..78, _) => self.near.address.address.to_string(),
            (78..86, _) => "any".to_owned(),
            (86..94, Some(_)) => self.near_network(dice),
            (94..97, _) => "203.0.113.0/24".to_owned(),
            _ => self.near.address.address.to_string(),
        }
    }

    fn far_address(&self, dice: &mut Dice) -> String {
        match (dice.below(100), self.far.inside) {
            (0..30, _) => "any".to_owned(),
            (30..75, _) => self.far.address.address.to_string(),
            (75..88, Some(_)) => self.far_network(dice),
            _ => "203.0.113.0/24".to_owned(),
        }
    }

    fn near_network(&self, dice: &mut Dice) -> String {
        match (if self.careful { 99 } else { dice.below(100) }, self.near.inside) {
            (0..12, _) => "me".to_owned(),
            (12..16, _) => "any".to_owned(),
            (_, Some(_)) => self.network(self.near, dice),
            (_, None) => self.near.address.address.to_string(),
        }
    }

    fn far_network(&self, dice: &mut Dice) -> String {
        match (if self.careful { 99 } else { dice.below(100) }, self.far.inside) {
            (0..8, _) => "any".to_owned(),
            (_, Some(_)) => self.network(self.far, dice),
            (_, None) => self.far.address.address.to_string(),
        }
    }

    /// The network behind a gateway, or a part of it.
    fn network(&self, place: &Place, dice: &mut Dice) -> String {
        let host = place.host.address.to_string();
        let net = host.trim_end_matches(".0.10");
        match if self.careful { 99 } else { dice.below(16) } {
            0 => host.clone(),
            1 => format!("{net}.0.0/24"),
            2 => "10.0.0.0/8".to_owned(),
            _ => format!("{net}.0.0/16"),
        }
    }
}
