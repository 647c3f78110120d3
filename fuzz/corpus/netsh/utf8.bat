@rem UTF-8 mark
netsh ipsec static add filterlist name=禁止
