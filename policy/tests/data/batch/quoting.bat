netsh ipsec static add policy "name=My policy" "description=a b c"
netsh ipsec static add filterlist "name=L 1"
netsh ipsec static add filter "filterlist=L 1" "srcaddr=any" "dstaddr=me"
netsh ipsec static add policy name=My second policy
netsh ipsec static add policy name='single quoted'
netsh ipsec static add policy name=‘smart single’
netsh ipsec static add policy name=“smart double” description=”x y”
netsh ipsec static add policy name="Policy – with dash"
netsh ipsec static add policy –name=foo
netsh ipsec static add policy name=Tab	description=Tabbed
netsh ipsec static add policy name = spaced
netsh ipsec static add policy name= spaced2
netsh ipsec static add policy name=""
netsh ipsec static add policy /name=x
netsh ipsec static add policy -name x
netsh ipsec static add policy NAME="Upper" DESCRIPTION="Y" ASSIGN=NO
netsh ipsec static add policy name="unterminated
netsh ipsec static add policy name=“My Policy” assign=y
netsh  ipsec   static   add policy   name=wide
