"""Boolean logic: expressions, normal forms, and the formats that hold them."""
