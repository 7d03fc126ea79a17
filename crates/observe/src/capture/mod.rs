//! Packets of an interface, through a packet socket's ring.
