"""A peer of native ESP or AH made of scapy: peer.py KEYS esp|ah OWN-ADDRESS PEER-ADDRESS INTERFACE.

Seals five echo requests, sends the first of them again and one that is altered, and wants five echo replies, sealed.
"""

import csv
import sys
import time

from scapy.all import AsyncSniffer, Ether, ICMP, IP, Raw, conf, getmacbyip, sendp
from scapy.layers.ipsec import AH, ESP, SecurityAssociation

folder, table, me, peer, interface = sys.argv[1:]
conf.verb = 0
conf.iface = interface

CIPHERS = {
    "NULL": "NULL",
    "DES-CBC [RFC2405]": "DES",
    "TripleDES-CBC [RFC2451]": "3DES",
    "AES-CBC [RFC3602]": "AES-CBC",
}


def integrity(name):
    for known, scapy_name in (("MD5", "HMAC-MD5-96"), ("SHA-256", "SHA2-256-128"), ("SHA-1", "HMAC-SHA1-96")):
        if known in name.upper():
            return scapy_name
    # HMAC-SHA1-96, as the table of AH names it.
    return "HMAC-SHA1-96"


def key(text):
    return bytes.fromhex(text.removeprefix("0x"))


def association(source, destination):
    with open(f"{folder}/{table}_sa", encoding="ascii") as lines:
        rows = list(csv.reader(lines))
    if table == "ah":
        row = [row for row in rows if row[0] == source and row[1] == destination][-1]
        return SecurityAssociation(AH, spi=int(row[2], 16), auth_algo=integrity(row[3]), auth_key=key(row[4]))
    row = [row for row in rows if row[1] == source and row[2] == destination][-1]
    return SecurityAssociation(
        ESP,
        spi=int(row[3], 16),
        crypt_algo=CIPHERS[row[4]],
        crypt_key=key(row[5]),
        auth_algo=integrity(row[6]),
        auth_key=key(row[7]),
    )


outbound, inbound = association(me, peer), association(peer, me)
layer = AH if table == "ah" else ESP
ether = Ether(dst=getmacbyip(peer))
sniffer = AsyncSniffer(iface=interface, lfilter=lambda p: p.haslayer(layer) and p[IP].src == peer)
sniffer.start()
time.sleep(0.5)

sealed = []
for number in range(5):
    clear = IP(src=me, dst=peer, ttl=64) / ICMP(id=77, seq=number) / Raw(b"sealed by scapy " + bytes([number]) * 40)
    sealed.append(outbound.encrypt(clear, seq_num=1000 + number))
for packet in sealed:
    sendp(ether / packet)
sendp(ether / sealed[0])
altered = bytearray(bytes(outbound.encrypt(IP(src=me, dst=peer) / ICMP(id=77, seq=9) / Raw(b"x" * 40), seq_num=2000)))
altered[-1] ^= 1
sendp(ether / IP(bytes(altered)))
time.sleep(2)

answers = set()
for frame in sniffer.stop():
    # What AH carried is not dissected by itself.
    opened = IP(bytes(inbound.decrypt(frame[IP], verify=True)))
    if opened.haslayer(ICMP) and opened[ICMP].type == 0 and opened[ICMP].id == 77:
        answers.add((opened[ICMP].seq, bytes(opened[Raw].load)[:16]))
expected = {(number, b"sealed by scapy ") for number in range(5)}
if answers != expected:
    sys.exit(f"answers: {sorted(answers)}")
