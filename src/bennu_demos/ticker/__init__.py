"""A stock ticker: 5,000 symbols of a simulated market. Each page watches the symbols that it shows, at its own speed."""
