"""What is made once per package and named by its digest: layers, archive members, bytecode."""
