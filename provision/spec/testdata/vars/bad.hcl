key = upper("pnu_0123456789abcdef")
