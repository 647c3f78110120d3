@echo off
rem Sperrt den Zugriff ber FTP, auáer fr die Verwaltung
netsh ipsec static add policy name="Bro-H„rtung" description="fr alle Server"
netsh ipsec static add filterlist name="FTP fr alle"
netsh ipsec static add filter filterlist="FTP fr alle" srcaddr=any dstaddr=me protocol=tcp dstport=21
netsh ipsec static add filteraction name=Sperren action=block
netsh ipsec static add rule name="FTP zu" policy="Bro-H„rtung" filterlist="FTP fr alle" filteraction=Sperren
