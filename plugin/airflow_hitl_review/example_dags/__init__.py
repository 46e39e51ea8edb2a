"""Examples to start from: copy one into your DAG folder. Each runs as it is, without a key."""
