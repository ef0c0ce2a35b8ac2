"""Lightning callbacks: writers and reports."""
