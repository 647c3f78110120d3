:a
call :a
