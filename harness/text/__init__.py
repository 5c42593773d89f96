"""How numbers, units and tables read, and the terminal that shows them."""
