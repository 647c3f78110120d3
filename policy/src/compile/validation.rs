//! What becomes of settings that Windows offers and Microsoft's articles advise against: the one switch between strict and
//! faithful.
//!
//! | setting of a tunnel rule | source (KB 816514) | [`Validation::Strict`] | [`Validation::Faithful`] |
//! |---|---|---|---|
//! | mirrored filters | "Click to clear the Mirrored check box" | refused | the mirrored half names the wrong endpoint |
//! | protocol or ports | "does not support protocol-specific and port-specific tunnels" | refused | later fragments do not match |
//! | accepts or falls back to clear | "None of the check boxes at the bottom" | refused | clear packets pass |
//! | remote access connections | "not supported for client remote access VPN use" | refused | compiled as for any other interface |
//! | endpoint given by name | "both tunnel endpoints have static IP addresses" | refused | resolved when the policy is compiled |
//! | our own endpoint leased by DHCP | the same | refused | works until the lease ends |
//! | another authentication in the other rule | "the same method must be used in both rules" | refused | the more specific pair of addresses counts, then the rule created first |
//!
//! An endpoint that is no single address (`any`, `me`, a subnet, multicast) is refused either way: netsh has no word for it, and the
//! compiler answers [`CompileError::TunnelEndpoint`].
//!
//! Faithful is the default everywhere: a policy does what Windows would do with it, and the same findings are told as
//! warnings. In a topology a node says `validation = "strict"`; `ipseclab netsh --strict` refuses too.

use super::{CompileError, LocalAddresses, warnings};
use crate::policy::Policy;
use crate::store::Store;
use crate::stores::Stores;

/// Whether what Microsoft does not support is refused.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Validation {
    /// As Windows: it compiles, and fails as it would fail there.
    #[default]
    Faithful,
    /// It is [`CompileError::Unsupported`].
    Strict,
}

/// Refuses the first finding about a policy that is not supported, if the computer is strict.
pub(super) fn check<'a>(
    store: &'a Store,
    policies: impl IntoIterator<Item = &'a Policy>,
    local: &LocalAddresses,
) -> Result<(), CompileError> {
    if local.validation == Validation::Faithful {
        return Ok(());
    }
    for policy in policies {
        let found = warnings(store, policy, local)?;
        if let Some(refused) = found.into_iter().find(super::Warning::is_unsupported) {
            return Err(CompileError::Unsupported(Box::new(refused)));
        }
    }
    Ok(())
}

/// The same about everything that is in force together.
pub(super) fn check_stores(stores: &Stores, local: &LocalAddresses) -> Result<(), CompileError> {
    check(&stores.persistent, stores.persistent.assigned(), local)?;
    let dynamic = stores.dynamic_store();
    check(&dynamic, dynamic.policies(), local)?;
    check(stores.effective(), stores.effective().assigned(), local)
}

/// The same about every policy of the stores, assigned or not: for scripts that are only looked at.
///
/// # Errors
/// [`CompileError::Unsupported`] with the first finding, and what makes a policy uncompilable.
pub fn check_every_policy(stores: &Stores, local: &LocalAddresses) -> Result<(), CompileError> {
    for store in [&stores.persistent, &stores.dynamic_store(), &stores.local] {
        check(store, store.policies(), local)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{LocalInterface, Warning, compile, compile_stores};
    use crate::netsh::run_script;
    use crate::rule::TunnelEndpoint;
    use ipsec_core::selector::Prefix;

    const GOOD: &str = "add policy P activatedefaultrule=no\nadd filteraction A action=negotiate inpass=no\n\
        add filter out 10.1.0.0 srcmask=16 10.2.0.0 dstmask=16 mirrored=no\n\
        add filter back 10.2.0.0 srcmask=16 10.1.0.0 dstmask=16 mirrored=no\n\
        add rule there P out A tunnel=203.0.113.2 psk=k kerberos=no\n\
        add rule here P back A tunnel=203.0.113.1 psk=k kerberos=no\nset policy P assign=y\n";

    fn gateway(validation: Validation) -> LocalAddresses {
        let own = ["10.1.0.1", "203.0.113.1"].map(|a| Prefix::new(a.parse().unwrap(), 24));
        LocalAddresses { validation, ..LocalAddresses::lan(&own) }
    }

    fn store(more: &str) -> Store {
        let mut store = Store::new();
        store.add_host("gwb", "203.0.113.2".parse().unwrap());
        run_script(&mut store, "test", format!("{GOOD}{more}").as_bytes()).unwrap_or_else(|e| panic!("{e}"));
        store
    }

    /// What strict says of the article's policy with these lines after it; faithful says nothing.
    fn refused(more: &str) -> Option<Warning> {
        let store = store(more);
        compile(&store, &gateway(Validation::Faithful)).unwrap();
        match compile(&store, &gateway(Validation::Strict)) {
            Ok(_) => None,
            Err(CompileError::Unsupported(warning)) => Some(*warning),
            Err(other) => panic!("{other}"),
        }
    }

    fn named(rule: &str) -> String {
        rule.to_owned()
    }

    #[test]
    fn strict_accepts_the_article_s_policy() {
        assert_eq!(refused(""), None);
    }

    #[test]
    fn strict_refuses_mirrored_tunnels() {
        let again = "add filter out 10.1.0.0 srcmask=16 10.3.0.0 dstmask=16 mirrored=yes";
        assert_eq!(refused(again), Some(Warning::MirroredTunnel { rule: named("there") }));
    }

    #[test]
    fn strict_refuses_tunnels_for_protocols_and_ports() {
        let wanted = Some(Warning::PortsInTunnel { rule: named("there") });
        let filter = "add filter out 10.1.0.0 srcmask=16 10.2.0.0 dstmask=16 mirrored=no";
        assert_eq!(refused(&format!("{filter} protocol=tcp")), wanted);
        assert_eq!(refused(&format!("{filter} protocol=udp dstport=7")), wanted);
    }

    #[test]
    fn strict_refuses_clear_text_beside_a_tunnel_but_not_pfs() {
        let wanted = Some(Warning::ClearInTunnel { rule: named("there") });
        assert_eq!(refused("set filteraction A inpass=yes"), wanted);
        assert_eq!(refused("set filteraction A soft=yes"), wanted);
        assert_eq!(refused("set filteraction A qmpfs=yes"), None);
    }

    #[test]
    fn strict_refuses_tunnels_for_remote_access() {
        let wanted = Some(Warning::RemoteAccessTunnel { rule: named("there") });
        assert_eq!(refused("set rule there P conntype=dialup"), wanted);
        assert_eq!(refused("set rule there P conntype=lan"), None);
    }

    #[test]
    fn strict_refuses_endpoints_that_may_move() {
        let wanted = Some(Warning::EndpointByName { rule: named("there"), name: named("gwb") });
        assert_eq!(refused("set rule there P tunnel=gwb"), wanted);
    }

    #[test]
    fn strict_refuses_endpoints_that_are_leased() {
        let (store, endpoint) = (store(""), "203.0.113.1".parse().unwrap());
        for (number, refused) in [(0, false), (1, true)] {
            let mut local = gateway(Validation::Strict);
            let inside = local.interfaces[0].addresses.remove(0);
            local.interfaces.push(LocalInterface { addresses: vec![inside], ..local.interfaces[0].clone() });
            local.interfaces[1 - number].leased = true;
            let faithful = LocalAddresses { validation: Validation::Faithful, ..local.clone() };
            assert!(compile(&store, &faithful).is_ok());
            let wanted = Warning::LeasedEndpoint { rule: named("here"), endpoint };
            let wanted = if refused { Err(CompileError::Unsupported(Box::new(wanted))) } else { Ok(()) };
            assert_eq!(compile(&store, &local).map(|_| ()), wanted);
        }
    }

    #[test]
    fn strict_refuses_different_authentication() {
        assert!(matches!(refused("set rule here P psk=other kerberos=no"), Some(Warning::AuthConflict(_))));
    }

    #[test]
    fn strict_looks_at_dynamic_policy_too() {
        let mut stores = Stores { local: store(""), ..Stores::default() };
        let lines = "netsh ipsec dynamic add mmpolicy M\nnetsh ipsec dynamic add qmpolicy Q\n\
            netsh ipsec dynamic add rule 10.1.0.0 10.9.0.0 M qmpolicy=Q srcmask=16 dstmask=16 mirrored=no \
            protocol=udp tunneldstaddress=203.0.113.9 psk=k kerberos=no";
        crate::netsh::run(&mut stores, "t", lines.as_bytes(), &crate::netsh::Setting::default())
            .unwrap_or_else(|e| panic!("{e}"));
        assert!(compile_stores(&stores, &gateway(Validation::Faithful)).is_ok());
        let error = compile_stores(&stores, &gateway(Validation::Strict)).unwrap_err();
        assert!(matches!(error, CompileError::Unsupported(w) if matches!(*w, Warning::PortsInTunnel { .. })));
    }

    #[test]
    fn nobody_s_address_is_no_endpoint() {
        for endpoint in ["0.0.0.0", "::", "224.0.0.1", "255.255.255.255"] {
            let mut store = store("");
            let mut policy = store.policies().first().unwrap().clone();
            policy.rules[0].tunnel = Some(TunnelEndpoint::Address(endpoint.parse().unwrap()));
            store.put_policy(policy).unwrap();
            for validation in [Validation::Faithful, Validation::Strict] {
                let error = compile(&store, &gateway(validation)).unwrap_err();
                let (rule, endpoint) = (named("there"), endpoint.parse().unwrap());
                assert_eq!(error, CompileError::TunnelEndpoint { rule, endpoint });
            }
        }
    }
}
