days  = "many"
list  = "x"
key   = upper("pnu_0123456789abcdef")
dayss = 1
