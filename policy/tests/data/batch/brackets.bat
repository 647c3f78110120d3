@echo off
echo (1) text with (brackets) ^& ampersand
if 1==1 (
  echo inside (nested) brackets
  netsh ipsec static add policy name="P(1)"
  netsh ipsec static add policy name=P^(2^)
)
if 1==1 (netsh ipsec static add policy name=one) & netsh ipsec static add policy name=two
if 1==2 (netsh ipsec static add policy name=no) & netsh ipsec static add policy name=no2
if 1==2 netsh ipsec static add policy name=no3 & netsh ipsec static add policy name=no4
netsh ipsec static add policy name=x;y
netsh ipsec static add policy name=a,b
netsh ipsec static add policy name="tab	inside"
