netsh ipsec static add policy name=test
netsh ipsec static add filterlist name=test
netsh ipsec static add filteraction name=test action=block
netsh ipsec static add filter filterlist=test srcaddr=any dstaddr=me protocol=TCP dstport=3389
netsh ipsec static add rule name=test policy=test filterlist=test filteraction=test
netsh ipsec static set rule name=test policy=test newname=test2 filteraction=Permit
netsh ipsec static set filteraction name=test action=permit
netsh ipsec static set filteraction name=test newname=
netsh ipsec static set policy name=test assign=y
netsh ipsec static set policy name=test assign=n
netsh ipsec static delete rule name=test2 policy=test
netsh ipsec static delete filteraction name=test
netsh ipsec static delete filterlist name=test
netsh ipsec static delete policy name=test
netsh ipsec static delete policy name=test
netsh ipsec static delete rule name=all policy=test
netsh ipsec static delete filterlist all
netsh ipsec static delete filteraction all
netsh ipsec static delete filter filterlist=test srcaddr=any dstaddr=me
netsh ipsec static set filter filterlist=test srcaddr=any dstaddr=me
netsh ipsec static list policy
netsh ipsec static enable policy test
netsh ipsec add policy name=x
netsh ipsec static add ploicy name=x
netsh ipsec static add policy nmae=x
netsh ipsec statik add policy name=x
netsh ipsek static add policy name=x
netsh add policy name=x
nets ipsec static add policy name=x
netsh ipsec static add policy name=x assign==y
netsh ipsec static add policy name==x
netsh ipsec static add policy name:x
netsh ipsec static add policy(name=x)
