netsh ipsec static set store location=local
netsh ipsec static set store location=persistent
netsh ipsec static set store location=domain domain=example.com
netsh ipsec static set store location=remote machine=SRV1
netsh ipsec static set machine name=SRV1
netsh -r SRV1 ipsec static show all
netsh ipsec static set batch mode=enable
netsh ipsec static add policy name=P
netsh ipsec static set batch mode=disable
netsh ipsec static exportpolicy file=c:\backup.ipsec
netsh ipsec static exportpolicy c:\backup2
netsh ipsec static importpolicy file=c:\backup.ipsec
netsh ipsec static importpolicy file="c:\nothere.ipsec"
netsh ipsec static restorepolicyexamples release=win2003
netsh ipsec static restorepolicyexamples win2k
netsh ipsec static show all
netsh ipsec static show store
netsh ipsec static show gpoassignedpolicy
netsh ipsec static show policy all level=verbose format=table
netsh ipsec static show filterlist all verbose
netsh ipsec static show rule all P
netsh ipsec static show rule default P
netsh ipsec static show filteraction all
netsh ipsec static delete policy all
netsh ipsec static delete all
