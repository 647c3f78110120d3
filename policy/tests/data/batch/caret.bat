@netsh ipsec static add policy name=caret ^
 description="two lines" ^
 assign=no & netsh ipsec static add filterlist name=caret2
netsh ipsec static add filteraction name=a^&b action=block
netsh ipsec static add filteraction name="c^d" action=block
