//! `netdiag /test:ipsec /debug`, as KB 816514 prints it.
