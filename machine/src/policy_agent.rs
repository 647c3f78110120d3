//! The Policy Agent (IPSec Services): reads the stores, polls them, and gives the driver its policy.
