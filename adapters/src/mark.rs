//! The mark on what the node itself sends (SO_MARK): the routing rule that brings packets into the TUN device lets marked
//! ones pass, and so does the kernel guard. Without it, what the node sealed would come back to it.

use std::io;

use socket2::Socket;

/// Number of the mark, and of the routing table that unmarked packets are looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(pub u32);

impl Default for Mark {
    fn default() -> Self {
        Mark(500)
    }
}

impl Mark {
    /// Marks everything that will leave through this socket. Needs CAP_NET_ADMIN.
    pub(crate) fn put_on(self, socket: &Socket) -> io::Result<()> {
        socket.set_mark(self.0)
    }
}
