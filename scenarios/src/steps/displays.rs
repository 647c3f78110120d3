//! What people read off a network monitor and off IP Security Monitor, as conditions.

use ipsec_machine::monitor::AssociationKind;
use ipsec_sim::verdict::Verdict;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::{Do, Names};
use crate::error::LoadError;
use crate::value::Net;

/// The verdict on everything that a link carried, as `ipseclab verdict` gives it of the link's capture.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// The link.
    pub link: Spanned<String>,
    /// The verdict: `nothing`, `esp`, `ah`, `esp-null`, `ike-only`, `partly-clear` or `clear`.
    #[serde(deserialize_with = "verdict")]
    pub is: Verdict,
    /// Only on packets between these two networks.
    pub between: Option<(Net, Net)>,
}

fn verdict<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Verdict, D::Error> {
    let text = String::deserialize(deserializer)?;
    let found = Verdict::ALL.into_iter().find(|verdict| verdict.name() == text);
    let names = || Verdict::ALL.map(Verdict::name).join(", ");
    found.ok_or_else(|| D::Error::custom(format!("no verdict `{text}`; there are {}", names())))
}

/// What the monitor of a node showed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// The node.
    pub node: Spanned<String>,
    /// At which look: the steps `monitor` of this node are counted from 1. Without it, at the last.
    pub look: Option<Spanned<usize>>,
    /// How many associations are wanted; without it, one at least.
    pub count: Option<usize>,
    /// Only those of this filter.
    pub filter: Option<String>,
    /// Only `transport`, `tunnel` or `soft` ones.
    #[serde(default, deserialize_with = "kind")]
    pub kind: Option<AssociationKind>,
    /// Only those with this security, as netsh writes it: `ESP[DES,MD5]`, or `None`.
    pub security: Option<String>,
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AssociationKind>, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "transport" => Ok(Some(AssociationKind::Transport)),
        "tunnel" => Ok(Some(AssociationKind::Tunnel)),
        "soft" => Ok(Some(AssociationKind::Soft)),
        text => Err(D::Error::custom(format!("no kind `{text}`; there are transport, tunnel, soft"))),
    }
}

impl Names<'_> {
    /// The node is there, and a step looks so often.
    pub(super) fn shown(&self, shown: &Shown) -> Result<(), LoadError> {
        self.node(&shown.node, "monitor.node")?;
        let of_node = |d: &Do| matches!(d, Do::Monitor(node) if node.get_ref() == shown.node.get_ref());
        let looks = self.steps.steps.iter().filter(|step| of_node(&step.r#do)).count();
        let (wanted, span) = match &shown.look {
            Some(look) => (*look.get_ref(), look.span()),
            None => (1, shown.node.span()),
        };
        if wanted == 0 || wanted > looks {
            let message = format!("there are {looks} steps that look at the monitor of this node");
            return Err(self.doc.error(span, "monitor.look", message));
        }
        Ok(())
    }
}
