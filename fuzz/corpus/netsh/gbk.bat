netsh ipsec static add filterlist name=½ûÖ¹ description = ¶Ë¿Ú
