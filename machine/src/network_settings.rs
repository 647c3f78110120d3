//! What a computer knows of its network: addresses, DNS, WINS and DHCP servers, default gateway.
