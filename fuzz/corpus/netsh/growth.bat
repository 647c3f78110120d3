:a
set B=%B%%B%x
goto a
