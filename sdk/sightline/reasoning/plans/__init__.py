"""Plans: what is to be done, as data that is checked and priced before anything runs."""
