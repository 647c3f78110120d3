//! Routing and Remote Access: the filters it makes by itself for L2TP.
//!
//! KB 816514: "client remote access VPN connections are protected using an automatically generated IPSec policy that uses IPSec
//! transport mode (not tunnel mode) when the L2TP tunnel type is selected". They are in no policy that anybody edits:
//! [`Stores::automatic`](ipsec_policy::Stores::automatic) has them, apart from what the user made.
//!
//! | computer | filter (RFC 3193 section 4) | action |
//! |---|---|---|
//! | takes calls | `me` UDP 1701 to any computer, any port, mirrored | negotiate, transport mode |
//! | calls | `me` UDP 1701 to the server's UDP 1701, mirrored | negotiate, transport mode |
//!
//! Names and security methods are ours: no public source has them.

use std::net::IpAddr;

use ipnet::IpNet;
use ipsec_policy::compile::whole;
use ipsec_policy::compile::{CompileError, CompiledFilter, LocalAddresses};
use ipsec_policy::defaults::QM_METHODS;
use ipsec_policy::filter::{Filter, FilterList, Port};
use ipsec_policy::filter_action::{Action, FilterAction};
use ipsec_policy::policy::DefaultResponse;
use ipsec_policy::{Address, AuthMethod, ConnectionType, Policy, Profile, Rule, Store, Stores};

/// What the policy, its list, action and rule are called.
const NAME: &str = "L2TP";
/// The port of L2TP (RFC 2661 section 8.1).
const L2TP: u16 = 1701;
const UDP: u8 = 17;

/// Which end of L2TP calls a computer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum L2tp {
    /// It takes calls.
    Server,
    /// It calls this server.
    Client(IpAddr),
}

impl L2tp {
    /// The policy that Routing and Remote Access generates, assigned, in a store of its own. `auth`: certificates unless a
    /// preshared key is typed in.
    #[must_use]
    pub fn policy(self, release: &'static Profile, auth: Vec<AuthMethod>) -> Store {
        let mut store = Store::of(release);
        let (destination, destination_port) = match self {
            L2tp::Server => (Address::Any, Port::Any),
            L2tp::Client(server) => (Address::Subnet(IpNet::from(server)), Port::One(L2TP)),
        };
        let filter = Filter {
            id: store.new_guid(),
            description: NAME.to_owned(),
            source: Address::Me,
            destination,
            protocol: Some(UDP),
            source_port: Port::One(L2TP),
            destination_port,
            mirrored: true,
        };
        let (name, description) = (NAME.to_owned(), String::new());
        let list = FilterList {
            id: store.new_guid(),
            name: name.clone(),
            description: description.clone(),
            filters: vec![filter],
        };
        let action = FilterAction {
            id: store.new_guid(),
            name: name.clone(),
            description: description.clone(),
            action: Action::Negotiate,
            qm_pfs: false,
            inpass: false,
            soft: false,
            methods: QM_METHODS.value.to_vec(),
        };
        let rule = Rule {
            id: store.new_guid(),
            name,
            description,
            filter_list: list.id,
            filter_action: action.id,
            tunnel: None,
            connection: ConnectionType::All,
            active: true,
            auth,
        };
        let mut policy = Policy::new(store.new_guid(), NAME);
        policy.default_response = DefaultResponse { active: false, ..DefaultResponse::default() };
        policy.rules.push(rule);
        // The store is empty: no name is taken.
        let _ = store.put_filter_list(list);
        let _ = store.put_filter_action(action);
        let _ = store.put_policy(policy);
        let _ = store.assign(NAME);
        store
    }
}

/// The active filters of a computer, what Routing and Remote Access made apart from what the user's policies say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActiveFilters {
    /// Of persistent, dynamic and local policy, in match order.
    pub of_policies: Vec<CompiledFilter>,
    /// Made automatically, likewise.
    pub automatic: Vec<CompiledFilter>,
}

impl ActiveFilters {
    /// Those of these stores.
    ///
    /// # Errors
    /// Why a policy cannot be compiled.
    pub fn of(stores: &Stores, local: &LocalAddresses) -> Result<Self, CompileError> {
        let without = Stores { automatic: Store::default(), ..stores.clone() };
        let only = Stores { automatic: stores.automatic.clone(), ..stores.emptied() };
        Ok(ActiveFilters {
            of_policies: whole::filters(&without, local)?,
            automatic: whole::filters(&only, local)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use ipsec_core::selector::{FlowKey, Prefix};
    use ipsec_core::spd::{Action as CoreAction, Mode};
    use ipsec_policy::auth_method::PresharedKey;
    use ipsec_policy::compile::compile_stores;
    use ipsec_policy::netsh::run_script;
    use ipsec_policy::profile::WINDOWS_2003;

    use super::*;

    /// KB 816514's policy, not assigned yet.
    const ARTICLE: &str = include_str!("../../scenarios/kb816514-neta-netb-tunnel/gwa.netsh");

    fn gateway() -> LocalAddresses {
        let own = ["10.1.0.1", "203.0.113.1"].map(|a| Prefix::new(a.parse().unwrap(), 24));
        LocalAddresses::lan(&own).with_release(&WINDOWS_2003)
    }

    fn stores(role: L2tp) -> Stores {
        let mut stores = Stores::of(&WINDOWS_2003);
        let unassigned = ARTICLE.replace("assign=y", "assign=n");
        run_script(&mut stores.local, "gwa.netsh", unassigned.as_bytes()).unwrap();
        let auth = vec![AuthMethod::PresharedKey(PresharedKey::new("callers"))];
        stores.automatic = role.policy(&WINDOWS_2003, auth);
        stores
    }

    fn is_tunnel(filter: &CompiledFilter) -> bool {
        matches!(&filter.action, CoreAction::Protect(p) if matches!(p.mode, Mode::Tunnel { .. }))
    }

    /// "After your policy is assigned, you have two additional active filters (Routing and Remote Access automatically creates
    /// IPSec filters for L2TP traffic)."
    #[test]
    fn assignment_adds_exactly_two_tunnel_filters() {
        let mut stores = stores(L2tp::Server);
        let before = ActiveFilters::of(&stores, &gateway()).unwrap();
        let total = |stores: &Stores| whole::filters(stores, &gateway()).unwrap();
        let all_before = total(&stores);
        assert!(before.of_policies.is_empty() && !before.automatic.is_empty());
        assert_eq!(all_before, before.automatic);
        let line = "set policy name=\"IPSec Tunnel with non-Microsoft Gateway\" assign=y";
        run_script(&mut stores.local, "line", line.as_bytes()).unwrap();
        let after = ActiveFilters::of(&stores, &gateway()).unwrap();
        assert_eq!(after.automatic, before.automatic);
        assert_eq!(after.of_policies.len(), 2);
        assert!(after.of_policies.iter().all(is_tunnel) && !after.automatic.iter().any(is_tunnel));
        assert_eq!(total(&stores).len(), all_before.len() + 2);
    }

    /// Transport mode on UDP port 1701 and nothing else, without clear text in either direction.
    #[test]
    fn l2tp_is_protected_in_transport_mode() {
        for (role, peers) in [
            (L2tp::Server, vec![("203.0.113.50", 1701, true), ("203.0.113.50", 4000, true)]),
            (
                L2tp::Client("203.0.113.9".parse().unwrap()),
                vec![
                    ("203.0.113.9", 1701, true),
                    ("203.0.113.9", 4000, false),
                    ("203.0.113.50", 1701, false),
                ],
            ),
        ] {
            let spd = compile_stores(&stores(role), &gateway()).unwrap().spd;
            for (peer, port, protected) in peers {
                let flow = FlowKey {
                    local: "203.0.113.1".parse().unwrap(),
                    remote: peer.parse().unwrap(),
                    protocol: UDP,
                    local_port: Some(L2TP),
                    remote_port: Some(port),
                };
                let entry = spd.outbound(&flow, ipsec_core::interface::ConnectionKind::Lan).unwrap();
                match &entry.action {
                    CoreAction::Protect(p) => {
                        assert!(
                            protected && p.mode == Mode::Transport && !p.accept_clear_inbound && !p.fallback
                        );
                    }
                    CoreAction::Bypass => assert!(!protected, "{role:?} {peer} {port}"),
                    _ => panic!("{entry:?}"),
                }
            }
        }
    }

    /// They are in no store that netsh edits, and survive its `delete all`.
    #[test]
    fn they_are_apart_from_the_user_s_policy() {
        let mut stores = stores(L2tp::Server);
        let automatic = stores.automatic.clone();
        run_script(&mut stores.local, "line", b"delete all").unwrap();
        assert_eq!(stores.automatic, automatic);
        assert!(stores.local.policies().is_empty());
        assert!(!ActiveFilters::of(&stores, &gateway()).unwrap().automatic.is_empty());
    }
}
