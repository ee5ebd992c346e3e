days  = "many"
list  = "x"
dayss = 1
