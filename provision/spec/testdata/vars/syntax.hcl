key = "pnu_0123456789abcdef
