"""What every estimator needs: formulas, Newton's method, tables of coefficients, clusters."""
