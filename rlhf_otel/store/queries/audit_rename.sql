UPDATE audit SET what = ? WHERE id = ?
